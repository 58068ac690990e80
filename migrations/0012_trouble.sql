-- What a running operation waits for in Kubernetes, as {"reason", "message"}; null: nothing is wrong.

ALTER TABLE operations ADD COLUMN trouble jsonb;
