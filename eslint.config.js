import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.tap/**', '.run/**', '*.cjs', 'eslint.config.js'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: [
          './examples/*/tsconfig.json',
          './packages/*/tsconfig.json',
          './scripts/*/tsconfig.json',
          './services/*/tsconfig.json',
          './services/gateway/console/tsconfig.json',
          './bench/tsconfig.json',
          './tsconfig.test.json',
        ],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // Numbers and booleans read well in messages; objects do not and stay refused.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Fastify handlers and role loops are async by contract even where one of them has nothing to await.
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
    },
  },
  {
    // Plain JavaScript, because nothing could erase its types before it runs.
    files: ['test/runner/*.js', 'services/gateway/console/build.js'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      parserOptions: { project: null },
      globals: { console: 'readonly', process: 'readonly', URL: 'readonly' },
    },
    rules: { ...tseslint.configs.disableTypeChecked.rules, 'no-console': 'off' },
  },
  {
    // Command-line programs talk to a person.
    files: [
      'scripts/{stack,image}/src/**',
      'bench/src/**',
      '**/cli.ts',
      'test/fire/fire.ts',
      'test/mutations/run.ts',
      'services/order/src/commands/{migrate,topics}.ts',
    ],
    rules: { 'no-console': 'off' },
  },
);
