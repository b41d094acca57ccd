-- name: load$
-- The bytes of a specification.
SELECT body FROM specs WHERE digest = :digest;

-- name: save!
-- A specification; the same digest means the same bytes.
INSERT INTO specs VALUES (:digest, :body) ON CONFLICT (digest) DO NOTHING;
