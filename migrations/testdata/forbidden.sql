-- What each role must not be able to do: one "role: statement" per line, and TestRoles expects "permission denied"
-- for each. Rows may be absent; the right is refused before any row is looked at.

chancery_app:       CREATE TABLE mine (i int)
chancery_app:       DROP TABLE river_job
chancery_app:       ALTER TABLE river_job DISABLE TRIGGER ALL
chancery_app:       TRUNCATE river_job
chancery_app:       UPDATE goose_db_version SET version_id = 0
chancery_app:       COPY river_job TO PROGRAM 'true'

chancery_retention: CREATE TABLE mine (i int)
chancery_retention: DROP TABLE river_job

chancery_export:    CREATE TABLE mine (i int)
chancery_export:    DROP TABLE river_job
chancery_export:    INSERT INTO river_queue (name) VALUES ('mine')
chancery_export:    DELETE FROM river_job

chancery_owner:     CREATE ROLE mallory
chancery_owner:     COPY river_job TO PROGRAM 'true'

chancery_app:       UPDATE records SET op = 'mine'
chancery_app:       DELETE FROM records
chancery_app:       UPDATE entries SET header = ''
chancery_app:       UPDATE entries SET body = NULL
chancery_app:       UPDATE entries SET sealed_salt = NULL
chancery_app:       DELETE FROM entries
chancery_app:       DELETE FROM entries_0
chancery_app:       DELETE FROM epoch_wraps
chancery_app:       UPDATE record_positions SET idx = 0
chancery_app:       DELETE FROM record_positions
chancery_app:       DELETE FROM links
chancery_app:       UPDATE links SET entry = ''
chancery_app:       DELETE FROM checkpoints
chancery_app:       UPDATE device_numbers SET seq = 1
chancery_app:       DELETE FROM device_numbers
chancery_app:       UPDATE external_identities SET account_id = 1
chancery_app:       UPDATE sessions SET account_id = 1

chancery_retention: DELETE FROM records
chancery_retention: UPDATE records SET op = 'mine'
chancery_retention: DELETE FROM entries
chancery_retention: UPDATE entries SET header = ''
chancery_retention: INSERT INTO entries SELECT * FROM entries
chancery_retention: UPDATE accounts SET roles = '{admin}'

chancery_export:    INSERT INTO records (class) VALUES ('mine')
chancery_export:    UPDATE entries SET body = NULL
chancery_export:    DELETE FROM records
chancery_export:    UPDATE sessions SET revoked_at = NULL
