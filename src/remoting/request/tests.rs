use ringmq_shards::data_version::DataVersion;
use ringmq_shards::filter::{ExpressionType, SubscriptionData};
use ringmq_shards::group::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionGroupConfig};
use ringmq_shards::topic::TopicConfig;
use ringmq_shards::types::Millis;

use super::heartbeat::{Consumer, Heartbeat};
use super::lock::LockBatch;
use super::queue::MessageQueue;
use super::send::{SendMessage, SendResponse};
use super::*;
use crate::remoting::golden::{Garbage, java_frame};
use crate::remoting::json::{Dialect, Writer};
use crate::remoting::{Encoding, Header, RequestWriter, ResponseWriter, split};

const HEADERS: &str = include_str!("../../../tests/golden/remoting/java-headers-5.3.3.txt");
const BODIES: &str = include_str!("../../../tests/golden/remoting/java-bodies-5.3.3.txt");

fn recorded(table: &'static str, name: &str) -> &'static str {
    let lines = table.lines().filter_map(|line| line.split_once('\t'));
    lines.into_iter().find(|(found, _)| *found == name).unwrap_or_else(|| panic!("{name} was not recorded")).1
}

fn body(name: &str) -> &'static [u8] {
    recorded(BODIES, name).as_bytes()
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

/// What `read` makes of a header with these fields.
fn with_fields<T>(fields: &[(&str, &str)], read: impl FnOnce(&Header<'_>) -> T) -> T {
    let mut out = Vec::new();
    let writer = RequestWriter::new(&mut out, Encoding::Binary, 1, 0);
    fields.iter().fold(writer, |writer, (name, value)| writer.field(name, value)).finish().unwrap();
    let (frame, _) = split(&out).unwrap().unwrap();
    read(&Header::parse(&frame).unwrap())
}

#[test]
fn names_of_fields_are_javas() {
    let ours: &[(&str, &[&str])] = &[
        ("SendMessageRequestHeader", SendMessage::FIELDS),
        ("PullMessageRequestHeader", pull::PullMessage::FIELDS),
        ("PullMessageResponseHeader", pull::PullResponse::FIELDS),
        ("QueryConsumerOffsetRequestHeader", offset::QueryConsumerOffset::FIELDS),
        ("QueryConsumerOffsetResponseHeader", offset::OffsetResponse::FIELDS),
        ("UpdateConsumerOffsetRequestHeader", offset::UpdateConsumerOffset::FIELDS),
        ("SearchOffsetRequestHeader", offset::SearchOffset::FIELDS),
        ("GetMaxOffsetRequestHeader", offset::GetMaxOffset::FIELDS),
        ("GetMinOffsetRequestHeader", offset::GetMinOffset::FIELDS),
        ("GetEarliestMsgStoretimeRequestHeader", offset::GetMinOffset::FIELDS),
        ("GetEarliestMsgStoretimeResponseHeader", offset::TimestampResponse::FIELDS),
        ("ViewMessageRequestHeader", view::ViewMessage::FIELDS),
        ("UnregisterClientRequestHeader", client::UnregisterClient::FIELDS),
        ("GetConsumerListByGroupRequestHeader", client::GetConsumerListByGroup::FIELDS),
        ("NotifyConsumerIdsChangedRequestHeader", client::NotifyConsumerIdsChanged::FIELDS),
        ("CreateTopicRequestHeader", topic::CreateTopic::FIELDS),
        ("DeleteTopicRequestHeader", topic::DeleteTopic::FIELDS),
        ("GetTopicConfigRequestHeader", topic::GetTopicConfig::FIELDS),
        ("GetTopicStatsInfoRequestHeader", topic::GetTopicStatsInfo::FIELDS),
        ("DeleteSubscriptionGroupRequestHeader", group::DeleteSubscriptionGroup::FIELDS),
        ("GetSubscriptionGroupConfigRequestHeader", group::GetSubscriptionGroupConfig::FIELDS),
        ("GetBrokerConfigResponseHeader", broker::GetBrokerConfigResponse::FIELDS),
        ("GetRouteInfoRequestHeader", route::GetRouteInfo::FIELDS),
        ("RegisterBrokerRequestHeader", register::RegisterBroker::FIELDS),
        ("RegisterBrokerResponseHeader", register::RegisterBrokerResponse::FIELDS),
        ("UnRegisterBrokerRequestHeader", register::UnregisterBroker::FIELDS),
        ("QueryDataVersionRequestHeader", register::QueryDataVersion::FIELDS),
        ("QueryDataVersionResponseHeader", register::QueryDataVersionResponse::FIELDS),
        ("BrokerHeartbeatRequestHeader", register::BrokerHeartbeat::FIELDS),
        ("GetBrokerMemberGroupRequestHeader", register::GetBrokerMemberGroup::FIELDS),
        ("PutKVConfigRequestHeader", kv::PutKvConfig::FIELDS),
        ("GetKVConfigRequestHeader", kv::GetKvConfig::FIELDS),
        ("GetKVConfigResponseHeader", kv::GetKvConfigResponse::FIELDS),
        ("DeleteKVConfigRequestHeader", kv::DeleteKvConfig::FIELDS),
        ("GetKVListByNamespaceRequestHeader", kv::GetKvlistByNamespace::FIELDS),
        ("WipeWritePermOfBrokerRequestHeader", namesrv::WipeWritePermOfBroker::FIELDS),
        ("WipeWritePermOfBrokerResponseHeader", namesrv::WipeWritePermOfBrokerResponse::FIELDS),
        ("AddWritePermOfBrokerRequestHeader", namesrv::AddWritePermOfBroker::FIELDS),
        ("AddWritePermOfBrokerResponseHeader", namesrv::AddWritePermOfBrokerResponse::FIELDS),
        ("GetTopicsByClusterRequestHeader", namesrv::GetTopicsByCluster::FIELDS),
        ("DeleteTopicFromNamesrvRequestHeader", namesrv::DeleteTopicInNamesrv::FIELDS),
        ("RegisterTopicRequestHeader", namesrv::RegisterTopicInNamesrv::FIELDS),
    ];
    // Of all headers, and of registrations from a zone.
    const COMMON: [&str; 2] = ["bname", "__ZONE_NAME"];
    for (class, fields) in ours {
        let mut fields: Vec<&str> = fields.iter().copied().filter(|name| !COMMON.contains(name)).collect();
        let mut theirs: Vec<&str> = recorded(HEADERS, class).split(' ').collect();
        // Java has no order, and the order of ours does not matter.
        fields.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(fields, theirs, "{class}");
    }
}

fn sent<'a>() -> SendMessage<'a> {
    let plain = SendMessage::plain("pg", "T", 2, 1_700_000_000_000);
    SendMessage { properties: "KEYS\u{1}k\u{2}WAIT\u{1}true\u{2}", broker_name: Some("broker-a"), ..plain }
}

#[test]
fn sends_by_all_names() {
    for name in ["send.json", "send.bin"] {
        let bytes = java_frame(name);
        let (frame, _) = split(&bytes).unwrap().unwrap();
        assert_eq!(SendMessage::decode(&Header::parse(&frame).unwrap()), Ok(sent()), "{name}");
    }
    for encoding in [Encoding::Json, Encoding::Binary] {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        let sent = SendMessage { max_reconsume_times: Some(3), batch: true, ..sent() };
        sent.encode(RequestWriter::new(&mut long, encoding, 1, 10)).finish().unwrap();
        sent.encode_v2(RequestWriter::new(&mut short, encoding, 1, 310)).finish().unwrap();
        for bytes in [&long, &short] {
            let (frame, _) = split(bytes).unwrap().unwrap();
            assert_eq!(SendMessage::decode(&Header::parse(&frame).unwrap()), Ok(sent));
        }
        let (frame, _) = split(&short).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        let mut names: Vec<&str> = header.fields().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), recorded(HEADERS, "SendMessageRequestHeaderV2"));
    }
}

#[test]
fn a_send_without_a_wish_for_queues() {
    let mut bytes = Vec::new();
    let request = RequestWriter::new(&mut bytes, Encoding::Json, 1, 310).field("b", "T").field("e", 0).field("f", 0);
    request.field("g", 1).field("h", 0).finish().unwrap();
    let (frame, _) = split(&bytes).unwrap().unwrap();
    let header = Header::parse(&frame).unwrap();
    assert_eq!(SendMessage::decode(&header).unwrap().default_topic_queue_nums, 4);
}

#[test]
fn an_answer_to_a_send() {
    let mut out = Vec::new();
    let answer = SendResponse {
        msg_id: format_args!("{:02X}", 10),
        queue_id: 1,
        queue_offset: 5,
        transaction_id: Some("U"),
        batch_uniq_id: None,
        recall_handle: None,
    };
    let writer = answer.encode(ResponseWriter::new(&mut out, Encoding::Binary, 7, 0));
    send::write_region("DefaultRegion", true, writer).finish();
    let theirs = java_frame("sendok.bin");
    for bytes in [&out, &theirs] {
        let (frame, _) = split(bytes).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        let expected = SendResponse {
            msg_id: "0A",
            queue_id: 1,
            queue_offset: 5,
            transaction_id: Some("U"),
            batch_uniq_id: None,
            recall_handle: None,
        };
        assert_eq!(SendResponse::decode(&header), Ok(expected));
        assert_eq!((header.field("MSG_REGION"), header.field("TRACE_ON")), (Some("DefaultRegion"), Some("true")));
    }
}

#[test]
fn pulls() {
    for name in ["pull.json", "pull.bin"] {
        let bytes = java_frame(name);
        let (frame, _) = split(&bytes).unwrap().unwrap();
        let header = Header::parse(&frame).unwrap();
        let pull = pull::PullMessage::decode(&header).unwrap();
        let expected = pull::PullMessage {
            consumer_group: "g",
            topic: "T",
            queue_id: 1,
            queue_offset: 10,
            max_msg_nums: 32,
            sys_flag: 2,
            commit_offset: Some(9),
            suspend_timeout_millis: 15_000,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: Some("TAG"),
            max_msg_bytes: Some(1000),
            request_source: None,
            proxy_forward_client_id: None,
        };
        assert_eq!(pull, expected, "{name}");
    }
    let answer = pull::PullResponse {
        suggest_which_broker_id: 0,
        next_begin_offset: 11,
        min_offset: -1,
        max_offset: i64::MAX,
        offset_delta: None,
        topic_sys_flag: Some(0),
        group_sys_flag: None,
        forbidden_type: Some(pull::forbidden::TOPIC),
    };
    let mut out = Vec::new();
    answer.encode(ResponseWriter::new(&mut out, Encoding::Json, 7, 19)).finish();
    let (frame, _) = split(&out).unwrap().unwrap();
    assert_eq!(pull::PullResponse::decode(&Header::parse(&frame).unwrap()), Ok(answer));
}

#[test]
fn what_is_missing_or_no_number_is_said() {
    let fields = [("b", "T"), ("d", "4"), ("e", "x1"), ("f", "0"), ("g", "1"), ("h", "0")];
    let bad = with_fields(&fields, |header| SendMessage::decode(header).unwrap_err());
    assert_eq!(bad.to_string(), "the field queueId is not a 32-bit number: x1");
    assert_eq!(bad.code(), crate::remoting::code::ResponseCode::SystemError);
    let bad = with_fields(&fields[..2], |header| SendMessage::decode(header).unwrap_err());
    assert_eq!(bad.to_string(), "the field queueId is missing");
    let bad = with_fields(&[("offset", "9223372036854775808")], |header| view::ViewMessage::decode(header).unwrap_err());
    assert_eq!(bad.to_string(), "the field offset is not a 64-bit number: 9223372036854775808");
    let long = "9".repeat(100_000);
    let bad = with_fields(&[("offset", &long)], |header| view::ViewMessage::decode(header).unwrap_err());
    assert_eq!(bad.to_string().len(), "the field offset is not a 64-bit number: ".len() + 64);
}

#[test]
fn what_java_tolerates_has_its_default() {
    with_fields(&[("topic", "T"), ("queueId", "1"), ("consumerGroup", "g")], |header| {
        assert!(offset::QueryConsumerOffset::decode(header).unwrap().set_zero_if_not_found);
        assert!(offset::GetMaxOffset::decode(header).unwrap().committed);
        assert_eq!(offset::UpdateConsumerOffset::decode(header).unwrap().commit_offset, None);
    });
    with_fields(&[("setZeroIfNotFound", "FALSE"), ("topic", "T"), ("queueId", "-1"), ("consumerGroup", "g")], |header| {
        assert!(!offset::QueryConsumerOffset::decode(header).unwrap().set_zero_if_not_found);
    });
    with_fields(&[("topic", "T"), ("queueId", "1"), ("timestamp", "5"), ("boundaryType", "UPPER")], |header| {
        assert_eq!(offset::SearchOffset::decode(header).unwrap().boundary(), offset::Boundary::Upper);
    });
    with_fields(&[("groupName", "g"), ("removeOffset", "true")], |header| {
        assert!(group::DeleteSubscriptionGroup::decode(header).unwrap().clean_offset);
    });
    with_fields(&[("topic", "T"), ("topicSeq", "many")], |header| {
        assert_eq!(topic::GetAllTopicConfig::decode(header).unwrap().topic_seq, None);
        let route = route::GetRouteInfo::decode(header).unwrap();
        assert_eq!((route.dialect(400), route.dialect(401)), (Dialect::Fastjson, Dialect::Standard));
    });
    with_fields(&[("topic", "T"), ("acceptStandardJsonOnly", "true")], |header| {
        assert_eq!(route::GetRouteInfo::decode(header).unwrap().dialect(0), Dialect::Standard);
    });
    with_fields(&[], |header| {
        assert!(SendMessage::decode(header).is_err());
        assert_eq!(topic::DeleteTopic::decode(header).unwrap().topic, "");
        assert_eq!(register::RegisterBroker::decode(header).unwrap_err(), BadRequest::Missing { field: "brokerName" });
    });
}

fn subscription_to_t() -> SubscriptionData {
    SubscriptionData {
        topic: "T".to_owned(),
        sub_string: "a || b".to_owned(),
        tags_set: ["a".to_owned()].into(),
        code_set: [97].into(),
        sub_version: 5,
        expression_type: ExpressionType::Tag,
        class_filter_mode: false,
    }
}

#[test]
fn heartbeats_are_javas() {
    let heartbeat = Heartbeat {
        client_id: "10.0.0.1@1".to_owned(),
        producer_groups: vec!["pg".to_owned()],
        consumers: vec![Consumer {
            group: "g".to_owned(),
            consume_type: ConsumeType::Passively,
            message_model: MessageModel::Clustering,
            consume_from_where: ConsumeFromWhere::LastOffset,
            subscriptions: vec![subscription_to_t()],
            unit_mode: false,
        }],
        fingerprint: 0,
        without_sub: false,
    };
    assert_eq!(Heartbeat::decode(body("heartbeat")), Ok(heartbeat.clone()));
    assert_eq!(written(|out| heartbeat.encode(out)), recorded(BODIES, "heartbeat"));
    let bad = |text: &str| Heartbeat::decode(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(bad(""), "the request has no body; a heartbeat was expected");
    assert_eq!(bad("{"), "the body is not a heartbeat in JSON: a key was expected at byte 1");
    assert_eq!(bad("[]"), "the body is not a heartbeat: it is not an object");
    assert_eq!(bad("{}"), "the body is not a heartbeat: it has no clientID");
    assert_eq!(Heartbeat::decode(br#"{"clientID":"c"}"#).unwrap().consumers, []);
    let checked = client::CheckClientConfig::decode(body("check")).unwrap();
    assert_eq!((checked.client_id.as_str(), checked.group.as_str()), ("c", "g"));
    assert_eq!(checked.subscription, Some(subscription_to_t()));
}

#[test]
fn locks_and_lists_are_javas() {
    let queue = MessageQueue { broker_name: "b".to_owned(), queue_id: 1, topic: "T".to_owned() };
    let lock = LockBatch {
        consumer_group: "g".to_owned(),
        client_id: "c".to_owned(),
        queues: vec![queue.clone()],
        only_this_broker: false,
    };
    assert_eq!(LockBatch::decode(body("lock")), Ok(lock.clone()));
    assert_eq!(written(|out| lock.encode(out)), recorded(BODIES, "lock"));
    assert_eq!(written(|out| lock::write_locked([&queue], out)), recorded(BODIES, "lockok"));
    assert_eq!(lock::locked(body("lockok")), Ok(vec![queue]));
    assert_eq!(written(|out| client::write_consumer_ids(["a", "b"], out)), recorded(BODIES, "consumers"));
    assert_eq!(client::consumer_ids(body("consumers")), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(written(|out| broker::write_kv_table([("a", "b/c")], out)), recorded(BODIES, "kv"));
    assert_eq!(broker::kv_table(body("kv")), Ok(vec![("a".to_owned(), "b/c".to_owned())]));
    assert_eq!(written(|out| namesrv::write_topic_list(["A"], Some("x:1"), out)), r#"{"brokerAddr":"x:1","topicList":["A"]}"#);
    assert_eq!(namesrv::topic_list(br#"{"topicList":["A","B"]}"#), Ok(vec!["A".to_owned(), "B".to_owned()]));
}

#[test]
fn topics_are_javas() {
    let settings = topic_config::TopicSettings::decode(body("topicConfig")).unwrap();
    assert_eq!((settings.name.as_str(), settings.read_queue_nums, settings.perm), ("T", 16, 6));
    assert_eq!(settings.attributes, [("message.type".to_owned(), "FIFO".to_owned())]);
    assert_eq!(topic_config::topic_list(body("topiclist")), Ok(vec![settings.clone()]));
    let signed = topic_config::TopicSettings {
        attributes: [("+a", "1"), ("-b", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        ..settings.clone()
    };
    assert_eq!(signed.attributes_text(), "+a=1,-b");

    let plain = |name| recorded(BODIES, name).replace(r#"{"message.type":"FIFO"}"#, "{}");
    let topic = TopicConfig::new("T");
    assert_eq!(written(|out| topic_config::write_one(&topic, out)), plain("topicq"));
    let version = DataVersion { state_version: 0, timestamp: Millis(5), counter: 0 };
    let table = written(|out| topic_config::write_table([&topic], version, &mut Writer::new(out, Dialect::Fastjson)));
    assert_eq!(table.replacen("\"timestamp\":0", "\"timestamp\":6", 1), plain("topics"));
    let read = topic_config::TopicTable::decode(body("topics")).unwrap();
    assert_eq!((read.version, read.topics), (version, vec![settings]));

    let stats = topic::QueueStats { min_offset: 1, max_offset: 2, last_update_timestamp: 3 };
    assert_eq!(written(|out| topic::write_stats("T", "b", [(0, stats)], 0.0, out)), recorded(BODIES, "stats"));
    let queue = MessageQueue { broker_name: "b".to_owned(), queue_id: 0, topic: "T".to_owned() };
    assert_eq!(topic::stats(body("stats")), Ok(vec![(queue, stats)]));
}

#[test]
fn groups_are_javas() {
    let group = SubscriptionGroupConfig::new("g");
    assert_eq!(written(|out| group::write_one(&group, out)), recorded(BODIES, "group"));
    let read = group::GroupSettings::decode(body("group")).unwrap();
    assert_eq!((&read.config, read.attributes.len()), (&group, 0));
    let read = group::GroupSettings::decode(body("group2")).unwrap();
    let subscriptions = read.config.policy.subscriptions.as_deref().expect("said");
    assert_eq!(subscriptions.iter().map(|one| one.topic.as_deref()).collect::<Vec<_>>(), [Some("T")]);
    let subscribing = SubscriptionGroupConfig { policy: read.config.policy.clone(), ..group.clone() };
    assert_eq!((&read.config, read.attributes.as_slice()), (&subscribing, &[("a".to_owned(), "b".to_owned())][..]));
    assert_eq!(written(|out| group::write_one(&subscribing, out)), recorded(BODIES, "group2").replace(r#"{"a":"b"}"#, "{}"));
    let plain = group::GroupSettings { config: group.clone(), ..read };
    assert_eq!(group::group_list(body("grouplist")).unwrap(), [plain]);
    let version = DataVersion { state_version: 0, timestamp: Millis(5), counter: 0 };
    let table = written(|out| group::write_table([&group], version, out));
    let theirs = recorded(BODIES, "groups").replace(r#"{"a":"b"}"#, "{}");
    assert_eq!(table.replace("\"forbiddenTable\":{},", ""), theirs);
    let (found, groups) = group::table(body("groups")).unwrap();
    assert_eq!((found, &groups[0].config), (version, &group));
    assert_eq!(group::GroupSettings::decode(b"{}").unwrap().config.name, "");
}

#[test]
fn routes_are_read_in_both_dialects() {
    for name in ["route.fast", "route.std"] {
        let route = route::TopicRoute::decode(body(name)).unwrap();
        assert_eq!(route.master("b"), Some("10.0.0.1:10911"));
        assert_eq!(route.brokers[0].addresses[1], (1, "10.0.0.2:10911".to_owned()));
        assert_eq!((route.queues[0].perm, route.queues[0].write_queue_nums), (6, 4));
    }
}

#[test]
fn garbage_bodies_never_panic() {
    let bodies: Vec<&str> = BODIES.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    let mut garbage = Garbage(0xb0d1);
    for _ in 0..20_000 {
        let mut bytes = bodies[garbage.below(bodies.len())].as_bytes().to_vec();
        garbage.damage(&mut bytes);
        let _ = Heartbeat::decode(&bytes);
        let _ = LockBatch::decode(&bytes);
        let _ = lock::locked(&bytes);
        let _ = client::CheckClientConfig::decode(&bytes);
        let _ = client::consumer_ids(&bytes);
        let _ = broker::kv_table(&bytes);
        let _ = topic_config::TopicTable::decode(&bytes);
        let _ = topic_config::topic_list(&bytes);
        let _ = topic::stats(&bytes);
        let _ = group::GroupSettings::decode(&bytes);
        let _ = group::group_list(&bytes);
        let _ = group::table(&bytes);
        let _ = route::TopicRoute::decode(&bytes);
    }
}
