# Runs once, after roles.sql, in the database's own container: the passwords come from the files the services have.
set -eu
for role in migrate ingest router responder; do
  psql --set ON_ERROR_STOP=1 --username postgres --dbname guichet --set role="guichet_$role" \
    --set password="$(cat "/run/secrets/$role-password")" <<'SQL'
ALTER ROLE :"role" LOGIN PASSWORD :'password';
SQL
done
# Grafana reads what stands in the tables, and nothing else
psql --set ON_ERROR_STOP=1 --username postgres --dbname guichet --set password="$(cat /run/secrets/grafana-password)" <<'SQL'
CREATE ROLE grafana LOGIN PASSWORD :'password';
ALTER ROLE grafana SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA router, responder TO grafana;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA router GRANT SELECT ON TABLES TO grafana;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA responder GRANT SELECT ON TABLES TO grafana;
SQL
