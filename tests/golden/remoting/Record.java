// Writes the recordings of this folder with the classes of Apache RocketMQ 5.3.3 (Maven: rocketmq-remoting and what it
// needs, as ../../../../shared/peers/rocketmq fetches them). Compile and run with those jars on the class path:
//   java Record frames > java-5.3.3.txt; java Record bodies > java-bodies-5.3.3.txt; java Record headers > java-headers-5.3.3.txt
import com.alibaba.fastjson.serializer.SerializerFeature;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.*;
import org.apache.rocketmq.remoting.protocol.admin.*;
import org.apache.rocketmq.remoting.protocol.body.*;
import org.apache.rocketmq.remoting.protocol.header.*;
import org.apache.rocketmq.remoting.protocol.header.namesrv.*;
import org.apache.rocketmq.remoting.protocol.heartbeat.*;
import org.apache.rocketmq.remoting.protocol.route.*;
import org.apache.rocketmq.remoting.protocol.statictopic.*;
import org.apache.rocketmq.remoting.protocol.subscription.*;

public class Record {
    public static void main(String[] args) throws Exception {
        System.setProperty("rocketmq.remoting.version", "479");
        switch (args[0]) {
            case "frames": frames(); break;
            case "bodies": bodies(); break;
            default: headers();
        }
    }

    static void frames() throws Exception {
        System.out.println("# Frames encoded by RemotingCommand of Apache RocketMQ 5.3.3, opaque 7: name, hexadecimal bytes.");
        GetRouteInfoRequestHeader route = new GetRouteInfoRequestHeader();
        route.setTopic("TopicTest");
        frame("route", RemotingCommand.createRequestCommand(105, route));

        SendMessageRequestHeaderV2 v2 = new SendMessageRequestHeaderV2();
        v2.setA("pg"); v2.setB("T"); v2.setC("TBW102"); v2.setD(4); v2.setE(2); v2.setF(0); v2.setG(1700000000000L);
        v2.setH(0); v2.setI("KEYS\u0001k\u0002WAIT\u0001true\u0002"); v2.setJ(0); v2.setK(false); v2.setM(false);
        v2.setBrokerName("broker-a");
        RemotingCommand send = RemotingCommand.createRequestCommand(310, v2);
        send.setBody("hello".getBytes());
        frame("send", send);

        RemotingCommand sent = RemotingCommand.createResponseCommand(SendMessageResponseHeader.class);
        sent.setCode(0);
        sent.setRemark(null);
        SendMessageResponseHeader header = (SendMessageResponseHeader) sent.readCustomHeader();
        header.setMsgId("0A"); header.setQueueId(1); header.setQueueOffset(5L); header.setTransactionId("U");
        sent.markResponseType();
        sent.addExtField("MSG_REGION", "DefaultRegion");
        sent.addExtField("TRACE_ON", "true");
        frame("sendok", sent);

        RemotingCommand error = RemotingCommand.createResponseCommand(17, "no \"T\"\n\u00e9");
        error.markResponseType();
        frame("err", error);

        PullMessageRequestHeader pull = new PullMessageRequestHeader();
        pull.setConsumerGroup("g"); pull.setTopic("T"); pull.setQueueId(1); pull.setQueueOffset(10L); pull.setMaxMsgNums(32);
        pull.setSysFlag(2); pull.setCommitOffset(9L); pull.setSuspendTimeoutMillis(15000L); pull.setSubscription("*");
        pull.setSubVersion(0L); pull.setExpressionType("TAG"); pull.setMaxMsgBytes(1000);
        frame("pull", RemotingCommand.createRequestCommand(11, pull));
    }

    static void frame(String name, RemotingCommand command) {
        command.setOpaque(7);
        for (SerializeType type : new SerializeType[] {SerializeType.JSON, SerializeType.ROCKETMQ}) {
            command.setSerializeTypeCurrentRPC(type);
            ByteBuffer buffer = command.encode();
            StringBuilder hex = new StringBuilder();
            while (buffer.hasRemaining()) {
                hex.append(String.format("%02x", buffer.get()));
            }
            System.out.println(name + (type == SerializeType.JSON ? ".json" : ".bin") + "\t" + hex);
        }
    }

    static void bodies() throws Exception {
        System.out.println("# Bodies written by classes of Apache RocketMQ 5.3.3: name, JSON.");
        TopicConfig topic = new TopicConfig("T");
        topic.setPerm(6);
        topic.getAttributes().put("message.type", "FIFO");
        body("topicConfig", topic);

        SubscriptionGroupConfig group = new SubscriptionGroupConfig();
        group.setGroupName("g");
        body("group", group);
        group.getAttributes().put("a", "b");
        group.setSubscriptionDataSet(new HashSet<>(Arrays.asList(new SimpleSubscriptionData("T", "TAG", "*", 3L))));
        body("group2", group);
        group.setSubscriptionDataSet(null);

        HeartbeatData heartbeat = new HeartbeatData();
        heartbeat.setClientID("10.0.0.1@1");
        ProducerData producer = new ProducerData();
        producer.setGroupName("pg");
        heartbeat.getProducerDataSet().add(producer);
        ConsumerData consumer = new ConsumerData();
        consumer.setGroupName("g");
        consumer.setConsumeType(ConsumeType.CONSUME_PASSIVELY);
        consumer.setMessageModel(MessageModel.CLUSTERING);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        SubscriptionData subscription = new SubscriptionData("T", "a || b");
        subscription.setSubVersion(5);
        subscription.getTagsSet().add("a");
        subscription.getCodeSet().add("a".hashCode());
        consumer.getSubscriptionDataSet().add(subscription);
        heartbeat.getConsumerDataSet().add(consumer);
        body("heartbeat", heartbeat);

        TopicStatsTable stats = new TopicStatsTable();
        TopicOffset offset = new TopicOffset();
        offset.setMinOffset(1);
        offset.setMaxOffset(2);
        offset.setLastUpdateTimestamp(3);
        stats.getOffsetTable().put(new MessageQueue("T", "b", 0), offset);
        body("stats", stats);

        LockBatchRequestBody lock = new LockBatchRequestBody();
        lock.setConsumerGroup("g");
        lock.setClientId("c");
        lock.getMqSet().add(new MessageQueue("T", "b", 1));
        body("lock", lock);
        LockBatchResponseBody locked = new LockBatchResponseBody();
        locked.getLockOKMQSet().add(new MessageQueue("T", "b", 1));
        body("lockok", locked);

        GetConsumerListByGroupResponseBody consumers = new GetConsumerListByGroupResponseBody();
        consumers.setConsumerIdList(Arrays.asList("a", "b"));
        body("consumers", consumers);

        TopicConfigAndMappingSerializeWrapper topics = new TopicConfigAndMappingSerializeWrapper();
        topics.getTopicConfigTable().put("T", topic);
        topics.getDataVersion().setTimestamp(5);
        topics.getMappingDataVersion().setTimestamp(6);
        body("topics", topics);
        SubscriptionGroupWrapper groups = new SubscriptionGroupWrapper();
        groups.getDataVersion().setTimestamp(5);
        groups.getSubscriptionGroupTable().put("g", group);
        body("groups", groups);

        KVTable table = new KVTable();
        table.getTable().put("a", "b/c");
        body("kv", table);
        CheckClientRequestBody check = new CheckClientRequestBody();
        check.setClientId("c");
        check.setGroup("g");
        check.setSubscriptionData(subscription);
        body("check", check);
        body("topiclist", new CreateTopicListRequestBody(Arrays.asList(topic)));
        body("grouplist", new SubscriptionGroupList(Arrays.asList(group)));
        body("topicq", new TopicConfigAndQueueMapping(topic, null));

        TopicRouteData route = new TopicRouteData();
        Map<Long, String> addresses = new HashMap<>();
        addresses.put(0L, "10.0.0.1:10911");
        addresses.put(1L, "10.0.0.2:10911");
        route.setBrokerDatas(Arrays.asList(new BrokerData("C", "b", (HashMap<Long, String>) addresses)));
        QueueData queues = new QueueData();
        queues.setBrokerName("b");
        queues.setPerm(6);
        queues.setReadQueueNums(4);
        queues.setWriteQueueNums(4);
        route.setQueueDatas(Arrays.asList(queues));
        route.setFilterServerTable(new HashMap<>());
        body("route.fast", route);
        byte[] standard = route.encode(SerializerFeature.BrowserCompatible, SerializerFeature.QuoteFieldNames,
            SerializerFeature.SkipTransientField, SerializerFeature.MapSortField);
        System.out.println("route.std\t" + new String(standard, StandardCharsets.UTF_8));
    }

    static void body(String name, Object body) {
        System.out.println(name + "\t" + RemotingSerializable.toJson(body, false));
    }

    static void headers() throws Exception {
        System.out.println("# Fields of header classes of Apache RocketMQ 5.3.3: class, field names in their order.");
        for (String name : ("SendMessageRequestHeader SendMessageRequestHeaderV2 SendMessageResponseHeader PullMessageRequestHeader "
            + "PullMessageResponseHeader QueryConsumerOffsetRequestHeader QueryConsumerOffsetResponseHeader "
            + "UpdateConsumerOffsetRequestHeader SearchOffsetRequestHeader GetMaxOffsetRequestHeader GetMinOffsetRequestHeader "
            + "GetEarliestMsgStoretimeRequestHeader GetEarliestMsgStoretimeResponseHeader ViewMessageRequestHeader "
            + "UnregisterClientRequestHeader GetConsumerListByGroupRequestHeader NotifyConsumerIdsChangedRequestHeader "
            + "CreateTopicRequestHeader DeleteTopicRequestHeader GetTopicConfigRequestHeader GetTopicStatsInfoRequestHeader "
            + "DeleteSubscriptionGroupRequestHeader GetSubscriptionGroupConfigRequestHeader GetBrokerConfigResponseHeader "
            + "namesrv.GetRouteInfoRequestHeader namesrv.RegisterBrokerRequestHeader namesrv.RegisterBrokerResponseHeader "
            + "namesrv.UnRegisterBrokerRequestHeader namesrv.QueryDataVersionRequestHeader namesrv.QueryDataVersionResponseHeader "
            + "namesrv.BrokerHeartbeatRequestHeader GetBrokerMemberGroupRequestHeader namesrv.PutKVConfigRequestHeader "
            + "namesrv.GetKVConfigRequestHeader namesrv.GetKVConfigResponseHeader namesrv.DeleteKVConfigRequestHeader "
            + "namesrv.GetKVListByNamespaceRequestHeader namesrv.WipeWritePermOfBrokerRequestHeader "
            + "namesrv.WipeWritePermOfBrokerResponseHeader namesrv.AddWritePermOfBrokerRequestHeader "
            + "namesrv.AddWritePermOfBrokerResponseHeader GetTopicsByClusterRequestHeader "
            + "namesrv.DeleteTopicFromNamesrvRequestHeader namesrv.RegisterTopicRequestHeader").split(" ")) {
            Class<?> header = Class.forName("org.apache.rocketmq.remoting.protocol.header." + name);
            StringJoiner fields = new StringJoiner(" ");
            for (java.lang.reflect.Field field : header.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers())) {
                    fields.add(field.getName());
                }
            }
            System.out.println(header.getSimpleName() + "\t" + fields);
        }
    }
}
