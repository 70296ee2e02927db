-- One role for each service with tables: it reads and writes the rows of its own schema and nothing else.
-- Run once in the new database by a superuser, before the first `guichet migrate`, which connects as guichet_migrate.
-- Passwords are set by who runs the server: CloudNativePG's managed roles, or ALTER ROLE ... LOGIN PASSWORD.
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['guichet_migrate', 'guichet_ingest', 'guichet_router', 'guichet_responder'] LOOP
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
