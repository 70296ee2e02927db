-- One role for each service with tables: it reads and writes the rows of its own schema and nothing else. One more,
-- guichet_reports, for dashboards: it reads the report's views, which hold no text and no author, and nothing else.
-- Run once in the new database by a superuser, before the first `guichet migrate`, which connects as guichet_migrate.
-- Passwords are set by who runs the server: CloudNativePG's managed roles, or ALTER ROLE ... LOGIN PASSWORD.
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY[
    'guichet_migrate', 'guichet_ingest', 'guichet_router', 'guichet_responder', 'guichet_reports'
  ] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I', role);
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS ingest AUTHORIZATION guichet_migrate;
CREATE SCHEMA IF NOT EXISTS router AUTHORIZATION guichet_migrate;
CREATE SCHEMA IF NOT EXISTS responder AUTHORIZATION guichet_migrate;

GRANT USAGE ON SCHEMA ingest TO guichet_ingest;
GRANT USAGE ON SCHEMA router TO guichet_router;
GRANT USAGE ON SCHEMA responder TO guichet_responder;

-- what guichet_migrate makes from now on; nobody may truncate, alter or drop
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA ingest
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO guichet_ingest;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA ingest
  GRANT USAGE, SELECT ON SEQUENCES TO guichet_ingest;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA router
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO guichet_router;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA router
  GRANT USAGE, SELECT ON SEQUENCES TO guichet_router;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA responder
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO guichet_responder;
ALTER DEFAULT PRIVILEGES FOR ROLE guichet_migrate IN SCHEMA responder
  GRANT USAGE, SELECT ON SEQUENCES TO guichet_responder;

-- dashboards: what one asks by mistake ends by itself
ALTER ROLE guichet_reports SET default_transaction_read_only = on;
ALTER ROLE guichet_reports SET statement_timeout = '30s';
GRANT USAGE ON SCHEMA responder TO guichet_reports;

-- A migration that makes a view anew takes its rights away with the old one: whatever makes a view report_... in this
-- schema lets guichet_reports read it. It runs as the one who made the view.
CREATE OR REPLACE FUNCTION public.guichet_reports_may_read() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  made text;
BEGIN
  FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands()
    WHERE schema_name = 'responder' AND object_identity LIKE 'responder.report\_%' LOOP
    EXECUTE 'GRANT SELECT ON ' || made || ' TO guichet_reports';
  END LOOP;
END
$$;
DROP EVENT TRIGGER IF EXISTS guichet_reports_may_read;
CREATE EVENT TRIGGER guichet_reports_may_read ON ddl_command_end WHEN TAG IN ('CREATE VIEW')
  EXECUTE FUNCTION public.guichet_reports_may_read();

-- and those that were there before, where this is run once more in an installation that is older than the role
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT viewname FROM pg_views WHERE schemaname = 'responder' AND viewname LIKE 'report\_%' LOOP
    EXECUTE format('GRANT SELECT ON responder.%I TO guichet_reports', name);
  END LOOP;
END
$$;
