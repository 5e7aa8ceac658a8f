# One image for gateway, stock and order; the command names the program, for example services/stock/dist/main.js.
#   npm run image                  docker or buildah, whichever is there (scripts/image)
#   docker build --build-arg BASE_IMAGE=node:24-bookworm-slim --tag seckill:dev .
# BASE_IMAGE has no default: which Node.js ships is decided by whoever builds. The project is built for
# node:24-bookworm-slim; a release names it with its digest.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS build
WORKDIR /app
# Manifests first: a change of source alone reuses the installed packages.
COPY package.json package-lock.json .npmrc tsconfig.base.json ./
COPY packages/client/package.json packages/client/
COPY packages/contracts/package.json packages/contracts/
COPY packages/runtime/package.json packages/runtime/
COPY packages/testing/package.json packages/testing/
COPY services/gateway/package.json services/gateway/
COPY services/stock/package.json services/stock/
COPY services/order/package.json services/order/
COPY scripts/lua/package.json scripts/lua/
COPY scripts/stack/package.json scripts/stack/
COPY scripts/image/package.json scripts/image/
COPY bench/package.json bench/
COPY examples/storefront/package.json examples/storefront/
RUN ["npm", "ci", "--ignore-scripts"]
COPY packages packages
COPY services services
COPY scripts/lua scripts/lua
RUN ["npx", "tsc", "-b", "services/gateway", "services/stock", "services/order"]
RUN ["node", "services/gateway/console/build.js"]
# Production dependencies of the three alone, then without what no program reads.
RUN ["npm", "ci", "--ignore-scripts", "--omit=dev", "-w", "services/gateway", "-w", "services/stock", "-w", "services/order"]
RUN rm -rf packages/*/src packages/*/test services/*/src services/*/test services/*/console scripts/lua/test scripts/stack scripts/image bench examples \
      package-lock.json .npmrc tsconfig.base.json \
 && find . -name tsconfig.json -not -path '*/node_modules/*' -delete \
 && find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.tsbuildinfo' -o -name '*.md' \) -delete \
 && find node_modules -type d \( -name test -o -name tests -o -name docs -o -name benchmark -o -name benchmarks \) -prune -exec rm -rf {} + \
 && find . -type d -empty -delete

FROM ${BASE_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="seckill" \
      org.opencontainers.image.description="Flash-sale inventory: gateway, stock and order" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
# Root's and not writable by the user: nothing is written at run time, so the root may be read-only.
COPY --from=build /app /app
# A number, so that Kubernetes can tell that it is not root; >= 10000, so that it is nobody of the host.
USER 10001:10001
EXPOSE 8080 8081 8082 9460 9461 9462
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
  CMD ["node", "packages/runtime/dist/health-check.js"]
ENTRYPOINT ["node"]
CMD ["services/gateway/dist/main.js"]
