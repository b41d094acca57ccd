-- name: save_session!
-- A new login.
INSERT INTO login_sessions (id, client, key, scope, created_at, expires_at)
VALUES (:id, :client, :key, :scope, :created_at, :expires_at);

-- name: session^
-- A login by its id.
SELECT id, client, key, scope, created_at, expires_at, revoked_at FROM login_sessions WHERE id = :id;

-- name: prolong!
-- A login has a token that lasts longer than what it had.
UPDATE login_sessions SET expires_at = max(expires_at, :expires_at) WHERE id = :id;

-- name: revoke!
-- A login is over, with all its tokens.
UPDATE login_sessions SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL;

-- name: save_code!
-- A new code of the browser flow.
INSERT INTO login_codes (hash, session, client, redirect_uri, scope, challenge, expires_at)
VALUES (:hash, :session, :client, :redirect_uri, :scope, :challenge, :expires_at);

-- name: code^
-- A code, used or not.
SELECT hash, session, client, redirect_uri, scope, challenge, expires_at, used_at FROM login_codes WHERE hash = :hash;

-- name: use_code!
-- A code has been exchanged.
UPDATE login_codes SET used_at = :now WHERE hash = :hash AND used_at IS NULL;

-- name: save_refresh!
-- A new refresh token.
INSERT INTO login_refreshes (hash, session, expires_at) VALUES (:hash, :session, :expires_at);

-- name: refresh^
-- A refresh token, used or not.
SELECT hash, session, expires_at, used_at FROM login_refreshes WHERE hash = :hash;

-- name: use_refresh!
-- A refresh token has been exchanged.
UPDATE login_refreshes SET used_at = :now WHERE hash = :hash AND used_at IS NULL;

-- name: save_device!
-- A device that begins to wait.
INSERT INTO login_devices (hash, user_code, client, scope, expires_at, interval_seconds)
VALUES (:hash, :user_code, :client, :scope, :expires_at, :interval_seconds);

-- name: device^
-- A device by the hash of its code.
SELECT hash, user_code, client, scope, expires_at, interval_seconds, polled_at, answer, session
FROM login_devices WHERE hash = :hash;

-- name: device_of_user_code^
-- A device by what it shows to its person.
SELECT hash, user_code, client, scope, expires_at, interval_seconds, polled_at, answer, session
FROM login_devices WHERE user_code = :user_code;

-- name: waiting_devices$
-- How many devices wait.
SELECT count(*) FROM login_devices;

-- name: polled!
-- A device has asked.
UPDATE login_devices SET polled_at = :now, interval_seconds = :interval_seconds WHERE hash = :hash;

-- name: answer_device!
-- A person has let a device in, or refused it: once.
UPDATE login_devices SET answer = :answer, session = :session WHERE hash = :hash AND answer = '';

-- name: delete_device!
-- A device waits no longer.
DELETE FROM login_devices WHERE hash = :hash;

-- name: expired_devices!
-- Devices for which nobody came.
DELETE FROM login_devices WHERE expires_at < :now;

-- name: expired_sessions!
-- Logins without a living token, with their codes and refresh tokens.
DELETE FROM login_sessions WHERE expires_at < :now;
