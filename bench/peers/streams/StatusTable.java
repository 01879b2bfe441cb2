import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.Stores;

/**
 * A peer of the rebuild: Kafka Streams folds the events of a log into one table of where each case stands, in RocksDB,
 * exactly once, with two threads; it ends when every event is folded and its offset committed.
 *
 * <p>Arguments: the brokers, the topic, its number of partitions, the file of the event schema, a folder for the state.
 * Prints the number of events and the seconds from the program's first line on.
 */
public final class StatusTable {
    private static final int FRAME = 5; // a zero byte and the schema's id

    private StatusTable() {}

    public static void main(String[] arguments) throws Exception {
        long started = System.nanoTime();
        String brokers = arguments[0];
        String topic = arguments[1];
        int partitions = Integer.parseInt(arguments[2]);
        Schema schema = new Schema.Parser().parse(new File(arguments[3]));
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "peer-" + topic + "-" + started);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000); // fewer commits than the usual 100 ms: in its favour
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128L * 1024 * 1024); // so are more rows in memory
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5000);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers));
                KafkaStreams streams = new KafkaStreams(table(topic, schema), settings)) {
            Map<TopicPartition, Long> ends = ends(admin, topic, partitions);
            streams.start();
            long count = ends.values().stream().mapToLong(Long::longValue).sum();
            while (!isCommitted(admin, settings.getProperty(StreamsConfig.APPLICATION_ID_CONFIG), ends)) {
                Thread.sleep(50);
            }
            System.out.printf("%d\t%.3f%n", count, (System.nanoTime() - started) / 1e9);
        }
    }

    private static org.apache.kafka.streams.Topology table(String topic, Schema schema) {
        StreamsBuilder builder = new StreamsBuilder();
        ThreadLocal<Folding> folding = ThreadLocal.withInitial(() -> new Folding(schema));
        builder.stream(topic, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .groupByKey(Grouped.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .aggregate(
                        () -> new byte[0],
                        (key, event, row) -> folding.get().fold(row, event),
                        Materialized.<byte[], byte[]>as(Stores.persistentKeyValueStore("status"))
                                .withKeySerde(Serdes.ByteArray())
                                .withValueSerde(Serdes.ByteArray()));
        return builder.build();
    }

    private static Map<TopicPartition, Long> ends(Admin admin, String topic, int partitions)
            throws ExecutionException, InterruptedException {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (int number = 0; number < partitions; number++) {
            asked.put(new TopicPartition(topic, number), OffsetSpec.latest());
        }
        Map<TopicPartition, Long> ends = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((where, found) -> ends.put(where, found.offset()));
        return ends;
    }

    private static boolean isCommitted(Admin admin, String group, Map<TopicPartition, Long> ends)
            throws InterruptedException, ExecutionException {
        var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return ends.entrySet().stream().allMatch(end -> {
            var found = committed.get(end.getKey());
            return end.getValue() == 0 || found != null && found.offset() >= end.getValue();
        });
    }

    /** Folds events into a row: where a case stands, who holds it, how many events it has, and when the last was recorded. */
    private static final class Folding {
        private final GenericDatumReader<GenericRecord> reader;
        private BinaryDecoder decoder;
        private GenericRecord event;

        Folding(Schema schema) {
            reader = new GenericDatumReader<>(schema);
        }

        byte[] fold(byte[] row, byte[] value) {
            decoder = DecoderFactory.get().binaryDecoder(value, FRAME, value.length - FRAME, decoder);
            try {
                event = reader.read(event, decoder);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            GenericRecord body = (GenericRecord) event.get("body");
            String kind = body.getSchema().getName();
            String[] before = row.length == 0 ? new String[] {"", ""} : parts(row);
            String status = status(kind, before[0]);
            String holder = body.hasField("holder") ? String.valueOf(body.get("holder")) : before[1];
            byte[] text = (status + '\t' + holder).getBytes(StandardCharsets.UTF_8);
            return ByteBuffer.allocate(16 + text.length)
                    .putLong((Long) event.get("number"))
                    .putLong((Long) event.get("recorded_at"))
                    .put(text)
                    .array();
        }

        private static String[] parts(byte[] row) {
            return new String(row, 16, row.length - 16, StandardCharsets.UTF_8).split("\t", -1);
        }

        private static String status(String kind, String before) {
            return switch (kind) {
                case "ReportReceived" -> "received";
                case "ScreenedIn", "Released" -> "unassigned";
                case "ScreenedOut" -> "screened_out";
                case "Assigned", "Reassigned", "Resumed", "ClosureRefused" -> "assigned";
                case "Suspended" -> "suspended";
                case "ClosureRequested" -> "closure_requested";
                case "ClosureApproved" -> "closed";
                case "Merged" -> "merged";
                default -> before;
            };
        }
    }
}
