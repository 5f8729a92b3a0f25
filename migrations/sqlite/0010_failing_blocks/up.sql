-- Derived: since when some units of a block fail that nothing backs; the day, by which those are found that nobody replaced.
ALTER TABLE blocks ADD COLUMN failing_since TEXT;
CREATE INDEX blocks_failing ON blocks (failing_since) WHERE failing_since IS NOT NULL;
