"""The broker of tests/kafka/broker.cc, and Python's own client of Kafka, for the tests."""

import socket
import subprocess

import harness
import peer

confluent_kafka = peer.library("confluent_kafka", "python3-confluent-kafka")

# What was not answered in time is a failure of the test, not a wait without end.
PATIENCE = harness.DEADLINE


class Broker:
    """With these topics; others get four partitions when somebody asks for them."""

    def __init__(self, topics=(), partitions=2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [harness.BUILD / "tests/kafka_broker", str(self.port), str(partitions)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.address = harness.poll("the broker to answer", self.where)
        for topic in topics:
            if self.do(f"topic {topic}") != "ok":
                raise AssertionError(f"no topic {topic}")

    def where(self):
        try:
            return self.do("where")
        except OSError:
            return None

    def do(self, command):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(command.encode() + b"\n")
            return connection.makefile().readline().strip()

    def close(self):
        self.process.kill()
        self.process.wait()

    def client(self, **properties):
        return {"bootstrap.servers": self.address, **properties}

    def produce(self, topic, *payloads, **options):
        """`options` as of Producer.produce: headers, partition."""
        producer = confluent_kafka.Producer(self.client())
        for payload in payloads:
            producer.produce(topic, payload, **options)
        if producer.flush(PATIENCE):
            raise AssertionError("the broker did not take all")

    def records(self, topic, count):
        """The first `count` records of a topic, of all its partitions, by another group."""
        consumer = confluent_kafka.Consumer(self.client(**{
            "group.id": "onlooker", "auto.offset.reset": "earliest", "enable.auto.commit": False}))
        try:
            about = consumer.list_topics(topic, PATIENCE).topics[topic]
            consumer.assign([confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING)
                             for number in about.partitions])
            found = []

            def look():
                message = consumer.poll(0.1)
                if message is not None and message.error() is None:
                    found.append(message)
                return len(found) >= count
            harness.poll(f"{count} records in {topic}", look)
            return found
        finally:
            consumer.close()

    def position(self, topic, group="workmand", partition=0):
        """The offset that the group has committed; -1001 when none."""
        consumer = confluent_kafka.Consumer(self.client(**{"group.id": group}))
        try:
            where = confluent_kafka.TopicPartition(topic, partition)
            return consumer.committed([where], PATIENCE)[0].offset
        finally:
            consumer.close()
