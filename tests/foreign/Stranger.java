import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * A service that knows nothing of casetrail but docs/publishing.md: it takes the schemas from the log itself, submits
 * actions with a stock Avro library and the stock client's default partitioner, and reads the events that answer them.
 *
 * <p>Arguments: the brokers, the log's name, the id of the action schema (hex), and the case ids to report, each in hex
 * of its UTF-8. Prints tab-separated lines: refused, submitted, event and murmur2.
 */
public class Stranger {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        String log = arguments[1];
        int actionSchema = Integer.parseInt(arguments[2], 16);
        List<String> cases =
                java.util.Arrays.stream(arguments).skip(3).map(hex -> new String(HEX.parseHex(hex), StandardCharsets.UTF_8)).toList();
        Map<Integer, Schema> schemas = readSchemas(brokers, log);
        int partitions = submit(brokers, log, actionSchema, schemas.get(actionSchema), cases);
        readEvents(brokers, log, partitions, schemas, cases.size());
        for (String one : cases) {
            int hash = Utils.toPositive(Utils.murmur2(one.getBytes(StandardCharsets.UTF_8)));
            System.out.println("murmur2\t" + HEX.formatHex(one.getBytes(StandardCharsets.UTF_8)) + "\t" + hash);
        }
    }

    /** LOG.schemas: the key is the id in hex, the value the schema's JSON. */
    private static Map<Integer, Schema> readSchemas(String brokers, String log) {
        Map<Integer, Schema> schemas = new HashMap<>();
        TopicPartition topic = new TopicPartition(log + ".schemas", 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(brokers)) {
            consumer.assign(List.of(topic));
            consumer.seekToBeginning(List.of(topic));
            long end = consumer.endOffsets(List.of(topic)).get(topic);
            while (consumer.position(topic) < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    String id = new String(record.key(), StandardCharsets.UTF_8);
                    String json = new String(record.value(), StandardCharsets.UTF_8);
                    schemas.put(Integer.parseInt(id, 16), parse(id, json));
                }
            }
        }
        return schemas;
    }

    /** The library refuses a schema with a default that its type does not allow: said, then read all the same. */
    private static Schema parse(String id, String json) {
        try {
            return new Schema.Parser().parse(json);
        } catch (org.apache.avro.AvroTypeException error) {
            System.out.println("refused\t" + id + "\t" + error.getMessage().split(":")[0]);
            return new Schema.Parser().setValidateDefaults(false).parse(json);
        }
    }

    /** Reports a case for each id; no partition is given, so the client's default partitioner chooses it. */
    private static int submit(String brokers, String log, int id, Schema schema, List<String> cases) throws Exception {
        Map<String, Object> settings =
                Map.of("bootstrap.servers", brokers, "acks", "all", "enable.idempotence", true, "linger.ms", 5);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            Map<String, java.util.concurrent.Future<RecordMetadata>> sent = new java.util.LinkedHashMap<>();
            Map<String, String> actionIds = new HashMap<>();
            for (String one : cases) {
                GenericRecord action = report(schema, one);
                actionIds.put(one, HEX.formatHex(((GenericData.Fixed) action.get("action_id")).bytes()));
                byte[] key = one.getBytes(StandardCharsets.UTF_8);
                sent.put(one, producer.send(new ProducerRecord<>(log + ".actions", key, framed(id, schema, action))));
            }
            for (String one : cases) {
                RecordMetadata where = sent.get(one).get();
                System.out.println(String.join("\t", "submitted", HEX.formatHex(one.getBytes(StandardCharsets.UTF_8)),
                        actionIds.get(one), "" + where.partition(), "" + where.offset()));
            }
            return producer.partitionsFor(log + ".actions").size();
        }
    }

    private static GenericRecord report(Schema schema, String caseId) {
        Schema body = schema.getField("body").schema().getTypes().stream()
                .filter(branch -> branch.getName().equals("ReportReceived")).findFirst().orElseThrow();
        GenericRecord offence = new GenericData.Record(body.getField("offences").schema().getElementType());
        offence.put("code", "11A");
        GenericRecord report = new GenericData.Record(body);
        report.put("report_number", "R-1");
        report.put("channel", "phone");
        report.put("reporter_kind", "family");
        report.put("agency", "metro-pd");
        report.put("unit", "child-crimes");
        report.put("offences", List.of(offence));
        report.put("immediate_danger", false);
        report.put("tokens", List.of());
        report.put("sealed", List.of());
        GenericRecord actor = new GenericData.Record(schema.getField("actor").schema());
        actor.put("id", "hotline.service");
        actor.put("agency", "metro-pd");
        actor.put("role", "intake");
        UUID uuid = UUID.randomUUID();
        byte[] actionId = ByteBuffer.allocate(16)
                .putLong(uuid.getMostSignificantBits()).putLong(uuid.getLeastSignificantBits()).array();
        GenericRecord action = new GenericData.Record(schema);
        action.put("action_id", new GenericData.Fixed(schema.getField("action_id").schema(), actionId));
        action.put("case_id", caseId);
        action.put("occurred_at", ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse("2026-03-02T09:00:00Z")));
        action.put("actor", actor);
        action.put("body", report);
        return action;
    }

    /** 0x00, the schema id in four bytes (big-endian), Avro binary. */
    private static byte[] framed(int id, Schema schema, GenericRecord record) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(0);
        out.write(ByteBuffer.allocate(4).putInt(id).array());
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    private static void readEvents(
            String brokers, String log, int partitions, Map<Integer, Schema> schemas, int expected) throws Exception {
        List<TopicPartition> topics =
                IntStream.range(0, partitions).mapToObj(number -> new TopicPartition(log + ".events", number)).toList();
        long until = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(brokers)) {
            consumer.assign(topics);
            consumer.seekToBeginning(topics);
            for (int count = 0; count < expected && System.nanoTime() < until; ) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    ByteBuffer value = ByteBuffer.wrap(record.value());
                    if (value.get() != 0) {
                        throw new IllegalStateException("an event is not framed");
                    }
                    Schema schema = schemas.get(value.getInt());
                    GenericRecord event = new GenericDatumReader<GenericRecord>(schema)
                            .read(null, DecoderFactory.get().binaryDecoder(record.value(), 5, record.value().length - 5, null));
                    GenericRecord body = (GenericRecord) event.get("body");
                    System.out.println(String.join("\t", "event",
                            HEX.formatHex(event.get("case_id").toString().getBytes(StandardCharsets.UTF_8)),
                            HEX.formatHex(((GenericData.Fixed) event.get("action_id")).bytes()),
                            event.get("partition").toString(), event.get("action_offset").toString(),
                            event.get("number").toString(), body.getSchema().getName(),
                            body.getSchema().getField("code") == null ? "" : body.get("code").toString()));
                    count++;
                }
            }
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String brokers) {
        Map<String, Object> settings = Map.of("bootstrap.servers", brokers, "isolation.level", "read_committed",
                "enable.auto.commit", false, "fetch.max.wait.ms", 100);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }
}
