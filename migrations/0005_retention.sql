-- What has ended does not stay for ever: the runtime deletes it in small batches, by rules of the server.

-- What is old enough to go.
CREATE INDEX orchestrations_finished ON orchestrations (finished_at) WHERE finished_at IS NOT NULL;

-- As before, but for an operation that has ended: its orchestration may be gone.
CREATE OR REPLACE VIEW v_instance_invariants AS
SELECT 'running instance without its monitor' AS violation, i.k8s_name AS subject
  FROM instances i
 WHERE i.state = 'running' AND NOT EXISTS (SELECT FROM orchestrations o
       WHERE o.id = 'health-' || i.k8s_name AND o.finished_at IS NULL)
UNION ALL
SELECT 'deleted or failed instance with a monitor', i.k8s_name
  FROM instances i JOIN orchestrations o ON o.id = 'health-' || i.k8s_name AND o.finished_at IS NULL
 WHERE i.state IN ('deleted', 'failed')
UNION ALL
SELECT 'creating instance whose creation has ended', i.k8s_name
  FROM instances i JOIN orchestrations o ON o.id = i.create_orchestration_id AND o.finished_at IS NOT NULL
 WHERE i.state = 'creating'
UNION ALL
SELECT 'running operation whose orchestration has ended', p.id
  FROM operations p JOIN orchestrations o ON o.id = p.orchestration AND o.finished_at IS NOT NULL
 WHERE p.state = 'running' AND o.finished_at < clock_timestamp()
UNION ALL
SELECT 'running operation without an orchestration', p.id
  FROM operations p
 WHERE p.state = 'running' AND NOT EXISTS (SELECT FROM orchestrations o WHERE o.id = p.orchestration)
UNION ALL
SELECT 'sealed secret of an instance that is not being created', i.k8s_name
  FROM sealed_secrets s JOIN instances i ON i.id = s.instance_id WHERE i.state NOT IN ('creating', 'deleting')
UNION ALL
SELECT 'running instance without exactly one primary', i.k8s_name
  FROM instances i
 WHERE i.state = 'running'
   AND (SELECT count(*) FROM members m WHERE m.instance_id = i.id AND m.role = 'primary' AND m.removed_at IS NULL) <> 1
UNION ALL
SELECT 'history with a gap or a surplus', o.id
  FROM orchestrations o
 WHERE (SELECT coalesce(sum(jsonb_array_length(h.events)), 0) FROM history h
         WHERE h.key = o.key AND h.execution = o.execution) <> o.next_event - 1
   AND o.status <> 'terminated'
UNION ALL
SELECT 'answer recorded twice', e.orchestration
  FROM orchestration_events e
 WHERE e.answers IS NOT NULL AND e.kind <> 'cancelled' AND e.kind <> 'child_cancelled'
 GROUP BY e.orchestration, e.execution, e.answers HAVING count(*) > 1;
