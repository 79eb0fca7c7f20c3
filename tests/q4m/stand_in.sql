-- Stands in for Q4M, the queue engine for MySQL, which no distribution packages: stored functions and
-- views on an ordinary MariaDB, for the tests of the driver `q4m`. What they copy is what the engine's
-- own tests and its source show of it. What they cannot:
--   * A stored function takes a fixed number of arguments and runs no dynamic SQL. So there are three
--     queues, urgent, usual and idle, and every queue_wait must name three.
--   * It cannot be told of an INSERT: queue_wait looks every 10 ms.
--   * The engine ends an owned row when queue_wait is called again. Nobody should rely on that, so
--     here it is an error.
--   * A real queue can have no BLOB with some builds of the engine; here it can.
-- The owner of a row is who holds the user lock of its name. The server frees these when a connection
-- ends, however it ends, and keeps none over its own end: as the engine does with its owners.
DELIMITER //

CREATE TABLE urgent_rows(
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  task VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  job VARCHAR(64) CHARACTER SET ascii NULL,
  args MEDIUMBLOB NULL)//
CREATE TABLE usual_rows LIKE urgent_rows//
CREATE TABLE idle_rows LIKE urgent_rows//

-- Whether this connection sees the row that it owns and no other ("owner mode").
CREATE FUNCTION q4m_owns() RETURNS INT NO SQL DETERMINISTIC
  RETURN IFNULL(@q4m_owns, 0)//

CREATE VIEW urgent AS SELECT task, job, args FROM urgent_rows
  WHERE IF(q4m_owns(), IS_USED_LOCK(CONCAT('urgent ', id)) <=> CONNECTION_ID(),
           IS_FREE_LOCK(CONCAT('urgent ', id)))//
CREATE VIEW usual AS SELECT task, job, args FROM usual_rows
  WHERE IF(q4m_owns(), IS_USED_LOCK(CONCAT('usual ', id)) <=> CONNECTION_ID(),
           IS_FREE_LOCK(CONCAT('usual ', id)))//
CREATE VIEW idle AS SELECT task, job, args FROM idle_rows
  WHERE IF(q4m_owns(), IS_USED_LOCK(CONCAT('idle ', id)) <=> CONNECTION_ID(),
           IS_FREE_LOCK(CONCAT('idle ', id)))//

-- The first row that nobody owns; null: there is none. A locking read, since a plain one sees for the
-- whole of a queue_wait what there was at its begin. Who looks has the lock, so two never take one row.
CREATE FUNCTION q4m_first(queue VARCHAR(16)) RETURNS BIGINT READS SQL DATA
BEGIN
  DECLARE found BIGINT DEFAULT NULL;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  CASE queue
    WHEN 'urgent' THEN SELECT id INTO found FROM urgent_rows
      WHERE IS_FREE_LOCK(CONCAT('urgent ', id)) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
    WHEN 'usual' THEN SELECT id INTO found FROM usual_rows
      WHERE IS_FREE_LOCK(CONCAT('usual ', id)) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
    WHEN 'idle' THEN SELECT id INTO found FROM idle_rows
      WHERE IS_FREE_LOCK(CONCAT('idle ', id)) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
  END CASE;
  RETURN found;
END//

-- 1: this connection owns a row of the queue.
CREATE FUNCTION q4m_take(queue VARCHAR(16)) RETURNS INT READS SQL DATA
BEGIN
  DECLARE row_id BIGINT DEFAULT q4m_first(queue);
  IF row_id IS NULL THEN RETURN 0; END IF;
  IF NOT GET_LOCK(CONCAT(queue, ' ', row_id), 0) THEN RETURN 0; END IF;
  SET @q4m_queue = queue, @q4m_row = row_id;
  RETURN 1;
END//

-- The number of the queue whose row this connection now owns; 0: none came in time; null: an error.
CREATE FUNCTION queue_wait(a VARCHAR(64), b VARCHAR(64), c VARCHAR(64), seconds INT) RETURNS INT
READS SQL DATA
BEGIN
  DECLARE deadline DOUBLE DEFAULT UNIX_TIMESTAMP(SYSDATE(6)) + seconds;
  IF @q4m_row IS NOT NULL AND @q4m_owns THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'queue_wait(): a row is owned';
  END IF;
  -- The name of a row that was ended is kept until here: in queue_end it is still to be seen.
  IF @q4m_row IS NOT NULL THEN DO RELEASE_LOCK(CONCAT(@q4m_queue, ' ', @q4m_row)); END IF;
  SET @q4m_row = NULL, @q4m_owns = 1;
  IF a NOT IN ('wm.urgent', 'wm.usual', 'wm.idle') OR b NOT IN ('wm.urgent', 'wm.usual', 'wm.idle')
      OR c NOT IN ('wm.urgent', 'wm.usual', 'wm.idle') THEN
    RETURN NULL;
  END IF;
  LOOP
    IF q4m_take(SUBSTR(a, 4)) THEN RETURN 1; END IF;
    IF q4m_take(SUBSTR(b, 4)) THEN RETURN 2; END IF;
    IF q4m_take(SUBSTR(c, 4)) THEN RETURN 3; END IF;
    IF UNIX_TIMESTAMP(SYSDATE(6)) >= deadline THEN RETURN 0; END IF;
    DO SLEEP(0.01);
  END LOOP;
END//

CREATE FUNCTION queue_end() RETURNS INT MODIFIES SQL DATA
BEGIN
  IF @q4m_row IS NOT NULL AND @q4m_owns THEN
    CASE @q4m_queue
      WHEN 'urgent' THEN DELETE FROM urgent_rows WHERE id = @q4m_row;
      WHEN 'usual' THEN DELETE FROM usual_rows WHERE id = @q4m_row;
      WHEN 'idle' THEN DELETE FROM idle_rows WHERE id = @q4m_row;
    END CASE;
  END IF;
  SET @q4m_owns = 0;
  RETURN 1;
END//

CREATE FUNCTION queue_abort() RETURNS INT NO SQL
BEGIN
  IF NOT IFNULL(@q4m_owns, 0) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'queue_abort(): not in owner mode';
  END IF;
  IF @q4m_row IS NOT NULL THEN DO RELEASE_LOCK(CONCAT(@q4m_queue, ' ', @q4m_row)); END IF;
  SET @q4m_row = NULL, @q4m_owns = 0;
  RETURN 1;
END//

CREATE FUNCTION queue_rowid() RETURNS BIGINT NO SQL
BEGIN
  IF NOT IFNULL(@q4m_owns, 0) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'queue_rowid(): not in owner mode';
  END IF;
  RETURN @q4m_row;
END//
