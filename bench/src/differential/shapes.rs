//! What random requests are made of: the fields of each request code, and the values that a field of each kind may get,
//! right ones and wrong ones.
//!
//! Left out are requests whose answers two brokers need not agree on: a queue of the broker's choice, long polls, places in
//! the log, lists of everything there is. Groups are not deleted: the original makes one for a pull that it then refuses.

use fastrand::Rng;

use Kind::{Bits, Body, Flag, Group, Level, Name, Number, Offset, Perm, Properties, Queue, Subscription, Tag, Time, Topic};

/// A kind of value.
#[derive(Clone, Copy)]
pub enum Kind {
    Topic,
    Group,
    Queue,
    Offset,
    Number,
    Flag,
    Perm,
    Time,
    Tag,
    Name,
    Properties,
    Level,
    Body,
    Subscription,
    /// System flags that may go with any body.
    Bits,
}

pub struct Shape {
    /// As a step begins.
    pub begin: &'static str,
    pub fields: &'static [(&'static str, Kind)],
    /// How often, beside the others.
    pub weight: u32,
}

const fn shape(weight: u32, begin: &'static str, fields: &'static [(&'static str, Kind)]) -> Shape {
    Shape { begin, fields, weight }
}

pub const SHAPES: &[Shape] = &[
    shape(20, "send", &[("b", Topic), ("e", Queue), ("props", Properties), ("body", Body)]),
    shape(
        6,
        "send",
        &[("b", Topic), ("e", Queue), ("f", Bits), ("h", Number), ("g", Time), ("j", Number), ("c", Topic), ("d", Number)],
    ),
    shape(6, "sendlong", &[("topic", Topic), ("queueId", Queue), ("props", Properties), ("body", Body)]),
    shape(
        20,
        "pull",
        &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue), ("queueOffset", Offset), ("maxMsgNums", Number)],
    ),
    shape(
        8,
        "pull",
        &[("topic", Topic), ("queueId", Queue), ("subscription", Tag), ("sysFlag", Subscription), ("commitOffset", Offset)],
    ),
    shape(4, "litepull", &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue), ("queueOffset", Offset)]),
    shape(10, "commit", &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue), ("commitOffset", Offset)]),
    shape(10, "committed", &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue), ("setZeroIfNotFound", Flag)]),
    shape(8, "maxoffset", &[("topic", Topic), ("queueId", Queue)]),
    shape(8, "minoffset", &[("topic", Topic), ("queueId", Queue)]),
    shape(6, "search", &[("topic", Topic), ("queueId", Queue), ("timestamp", Time)]),
    shape(3, "broker GET_EARLIEST_MSG_STORETIME", &[("topic", Topic), ("queueId", Queue)]),
    shape(3, "broker VIEW_MESSAGE_BY_ID", &[("offset", Level)]),
    shape(6, "topic", &[("topic", Topic), ("readQueueNums", Queue), ("writeQueueNums", Queue), ("perm", Perm), ("order", Flag)]),
    shape(6, "broker GET_TOPIC_CONFIG", &[("topic", Topic)]),
    shape(3, "broker DELETE_TOPIC_IN_BROKER", &[("topic", Topic)]),
    shape(5, "broker GET_TOPIC_STATS_INFO", &[("topic", Topic)]),
    shape(4, "broker GET_SUBSCRIPTIONGROUP_CONFIG", &[("group", Group)]),
    shape(4, "broker GET_CONSUMER_LIST_BY_GROUP", &[("consumerGroup", Group)]),
    shape(4, "broker GET_CONSUMER_CONNECTION_LIST", &[("consumerGroup", Group)]),
    shape(3, "broker GET_PRODUCER_CONNECTION_LIST", &[("producerGroup", Group)]),
    shape(3, "leave", &[("clientID", Name), ("consumerGroup", Group)]),
    shape(
        4,
        "broker INVOKE_BROKER_TO_RESET_OFFSET isForce=true timestamp=-1",
        &[("topic", Topic), ("group", Group), ("queueId", Queue), ("offset", Offset), ("timestamp", Time)],
    ),
    shape(2, "broker QUERY_SUBSCRIPTION_BY_CONSUMER", &[("group", Group), ("topic", Topic)]),
    shape(2, "broker QUERY_TOPICS_BY_CONSUMER", &[("group", Group)]),
    shape(2, "broker CLONE_GROUP_OFFSET", &[("srcGroup", Group), ("destGroup", Group), ("topic", Topic)]),
    shape(3, "query endTimestamp=9999999999999", &[("topic", Topic), ("key", Name), ("maxNum", Number)]),
    shape(
        4,
        "pop pollTime=0",
        &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue), ("maxMsgNums", Number), ("initMode", Number)],
    ),
    shape(
        2,
        "ack extraInfo='0 1600000000000 10000 0 0 broker-a 0 0'",
        &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue), ("offset", Offset)],
    ),
    shape(2, "broker POLLING_INFO", &[("topic", Topic), ("consumerGroup", Group), ("queueId", Queue)]),
    shape(2, "broker CONSUMER_SEND_MSG_BACK delayLevel=0", &[("offset", Level), ("group", Group), ("delayLevel", Offset)]),
    shape(
        2,
        "broker END_TRANSACTION commitOrRollback=8",
        &[("producerGroup", Group), ("tranStateTableOffset", Offset), ("commitLogOffset", Level)],
    ),
    shape(2, "broker RECALL_MESSAGE recallHandle=nonsense", &[("producerGroup", Group), ("topic", Topic)]),
    shape(2, "namesrv PUT_KV_CONFIG", &[("namespace", Group), ("key", Name), ("value", Name)]),
    shape(2, "namesrv GET_KV_CONFIG", &[("namespace", Group), ("key", Name)]),
    shape(2, "namesrv DELETE_KV_CONFIG", &[("namespace", Group), ("key", Name)]),
    shape(2, "namesrv GET_KVLIST_BY_NAMESPACE", &[("namespace", Group)]),
];

/// Bodies that name a group, a topic and a client.
pub const BODIES: &[(&str, &str)] = &[
    ("group", r#"{"groupName":"GROUP","consumeEnable":FLAG,"retryMaxTimes":NUMBER}"#),
    (
        "heartbeat",
        r#"{"clientID":"NAME","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"GROUP","messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*","subVersion":NUMBER,"tagsSet":[],"topic":"TOPIC"}],"unitMode":false}],"producerDataSet":[{"groupName":"GROUP"}]}"#,
    ),
    (
        "lock",
        r#"{"clientId":"NAME","consumerGroup":"GROUP","mqSet":[{"brokerName":"broker-a","queueId":NUMBER,"topic":"TOPIC"}]}"#,
    ),
    (
        "unlock",
        r#"{"clientId":"NAME","consumerGroup":"GROUP","mqSet":[{"brokerName":"broker-a","queueId":NUMBER,"topic":"TOPIC"}]}"#,
    ),
];

/// What may be wrong with a number; the field is left out where there is nothing.
const WRONG_NUMBERS: &[Option<&str>] = &[None, Some(""), Some("x"), Some("-1"), Some("99999999999999999999"), Some("2147483647")];

/// What may be wrong with a name. Each is a name that nobody can have: one that somebody could have would stay behind.
const WRONG_NAMES: &[Option<&str>] = &[None, Some(""), Some("a b"), Some("a/b"), Some("é")];

pub fn wrong(kind: Kind, rng: &mut Rng) -> Option<&'static str> {
    let values = match kind {
        Topic | Group | Name => WRONG_NAMES,
        Queue | Offset | Number | Flag | Perm | Time | Tag | Properties | Level | Body | Subscription | Bits => WRONG_NUMBERS,
    };
    values[rng.usize(..values.len())]
}

/// A step that has one of them.
pub fn has_a_wrong_field(step: &str) -> bool {
    let values = WRONG_NUMBERS.iter().chain(WRONG_NAMES).flatten().any(|value| step.contains(&format!("=\"{value}\"")));
    values || step.split(' ').any(|word| word.starts_with('-'))
}

pub fn right(kind: Kind, rng: &mut Rng) -> String {
    let one = |rng: &mut Rng, values: &[&str]| values[rng.usize(..values.len())].to_string();
    match kind {
        Topic => one(rng, &["Ra-$run", "Ra-$run", "Ra-$run", "Rb-$run", "Rb-$run", "Rc-$run", "Rnone-$run"]),
        Group => one(rng, &["rg-$run", "rg-$run", "rh-$run", "ri-$run"]),
        Queue => one(rng, &["0", "0", "1", "2", "3", "4", "8"]),
        Offset => one(rng, &["0", "0", "1", "2", "3", "5", "10", "100", "-1"]),
        Number => one(rng, &["1", "2", "3", "32", "0"]),
        Flag => one(rng, &["true", "false"]),
        Perm => one(rng, &["6", "6", "4", "2", "7", "0"]),
        Time => one(rng, &["0", "1600000000000", "9999999999999"]),
        Tag => one(rng, &["*", "*", "ta", "tb", "ta || tb"]),
        Name => one(rng, &["n1-$run", "n2-$run", "n3-$run"]),
        Properties => one(rng, &["", "TAGS=ta", "TAGS=tb;KEYS=k1 k2", "UNIQ_KEY=u-$run", "a=1;b=2", "WAIT=false"]),
        Level => one(rng, &["-1", "900000000000"]),
        Body => one(rng, &["hello", "h", "é", "${z*2000}"]),
        Subscription => one(rng, &["4", "5"]),
        // Not those of transactions, which the original takes from anybody.
        Bits => one(rng, &["0", "0", "2", "256"]),
    }
}
