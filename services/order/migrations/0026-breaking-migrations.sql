-- Why a release that does not know a migration cannot live with it (D99); null: it can. A migration's file
-- says so in a line `-- Breaking: <why>`.
ALTER TABLE migrations ADD COLUMN IF NOT EXISTS breaking text;
