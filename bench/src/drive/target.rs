//! Where the load goes: the brokers that a name server knows or that were named, and the queues of each topic there.

use ringmq::remoting::request::offset::GetMinOffset;
use ringmq::remoting::request::route::{GetRouteInfo, TopicRoute};
use ringmq::remoting::{Encoding, RequestWriter};

use crate::connection::{Answer, Connection};
use crate::setup;

const GET_BROKER_CONFIG: i32 = 26;
const GET_BROKER_RUNTIME_INFO: i32 = 28;
const GET_MIN_OFFSET: i32 = 31;
const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
/// Stands on every broker that makes topics, and so names the brokers to make one on.
const TEMPLATE_TOPIC: &str = "TBW102";

#[derive(clap::Args, Clone, Debug, serde::Serialize)]
pub struct TargetOptions {
    /// host:port of a broker
    #[arg(long, default_value = "127.0.0.1:10911", conflicts_with = "namesrv")]
    pub broker: String,
    /// host:port of a name server: the load goes to all master brokers that it knows
    #[arg(long)]
    pub namesrv: Option<String>,
    #[arg(long, default_value = "BenchTopic")]
    pub topic: String,
    /// How many topics; from 2 on they are named TOPIC-0, TOPIC-1 ...
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub topics: u32,
    /// Queues of each topic on each broker
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub queues: u32,
    /// Takes the topics as they are; without it they are made, or set to so many queues
    #[arg(long)]
    pub keep_topics: bool,
}

/// All of it found, and the topics there.
#[derive(Clone, Debug)]
pub struct Target {
    /// At least one.
    pub brokers: Vec<String>,
    pub topics: Vec<String>,
    pub queues: u32,
}

impl TargetOptions {
    pub fn topic_names(&self) -> Vec<String> {
        match self.topics {
            1 => vec![self.topic.clone()],
            many => (0..many).map(|number| format!("{}-{number}", self.topic)).collect(),
        }
    }

    /// The brokers, of which there is at least one.
    pub fn addresses(&self) -> Result<Vec<String>, String> {
        match &self.namesrv {
            None => Ok(vec![self.broker.clone()]),
            Some(namesrv) if self.keep_topics => masters(namesrv, &self.topic_names()[0]),
            Some(namesrv) => masters(namesrv, TEMPLATE_TOPIC),
        }
    }

    pub fn find(&self) -> Result<Target, String> {
        let (topics, brokers) = (self.topic_names(), self.addresses()?);
        if !self.keep_topics {
            for broker in &brokers {
                let mut connection = open(broker)?;
                for topic in &topics {
                    setup::create_topic(&mut connection, topic, self.queues).map_err(|error| format!("{broker}: {error}"))?;
                }
            }
        }
        Ok(Target { brokers, topics, queues: self.queues })
    }
}

pub fn open(address: &str) -> Result<Connection, String> {
    Connection::open(address).map_err(|error| format!("{address}: {error}; is a broker running there? --broker names another"))
}

fn masters(namesrv: &str, topic: &str) -> Result<Vec<String>, String> {
    let mut connection = Connection::open(namesrv)
        .map_err(|error| format!("{namesrv}: {error}; is a name server running there? --broker goes without one"))?;
    let writer = RequestWriter::new(&mut connection.out, Encoding::Json, 1, GET_ROUTEINFO_BY_TOPIC);
    GetRouteInfo { topic, accept_standard_json_only: Some(true) }.encode(writer).finish().expect("it fits a frame");
    let answer = call(&mut connection, namesrv, &format!("give the route of {topic}"))?;
    let route = TopicRoute::decode(&answer.body).map_err(|error| format!("{namesrv}: the route of {topic}: {error:?}"))?;
    let masters: Vec<String> =
        route.queues.iter().filter_map(|queues| route.master(&queues.broker_name)).map(str::to_string).collect();
    match masters.is_empty() {
        true => Err(format!("{namesrv}: no broker with {topic} is registered; name one with --broker")),
        false => Ok(masters),
    }
}

pub fn min_offset(connection: &mut Connection, topic: &str, queue: u32) -> Result<i64, String> {
    let writer = RequestWriter::new(&mut connection.out, Encoding::Binary, 1, GET_MIN_OFFSET);
    GetMinOffset { topic, queue_id: queue as i32 }.encode(writer).finish().expect("it fits a frame");
    call(connection, topic, "say a queue's begin")?.offset.ok_or_else(|| format!("{topic}: an answer without offset"))
}

/// What the broker says that it is; of RingMQ the version whose protocol it speaks.
pub fn version(address: &str) -> Option<String> {
    let mut connection = Connection::open(address).ok()?;
    let writer = RequestWriter::new(&mut connection.out, Encoding::Json, 1, GET_BROKER_RUNTIME_INFO);
    writer.finish().expect("it fits a frame");
    let answer = call(&mut connection, address, "say its version").ok()?;
    let info: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    info["table"]["brokerVersionDesc"].as_str().map(|version| format!("speaks {version}"))
}

/// The brokerName of whoever listens there.
pub fn name(connection: &mut Connection, address: &str) -> Result<String, String> {
    let writer = RequestWriter::new(&mut connection.out, Encoding::Json, 1, GET_BROKER_CONFIG);
    writer.finish().expect("it fits a frame");
    let answer = call(connection, address, "say its settings")?;
    let settings = String::from_utf8_lossy(&answer.body);
    let name = settings.lines().find_map(|line| line.strip_prefix("brokerName="));
    name.map(str::to_string).ok_or_else(|| format!("{address}: its settings have no brokerName"))
}

fn call(connection: &mut Connection, whom: &str, what: &str) -> Result<Answer, String> {
    let answer = connection.call(setup::CALL_LIMIT).map_err(|error| format!("{whom}: asked to {what}: {error}"))?;
    match answer.code {
        0 => Ok(answer),
        code => Err(format!("{whom}: refused to {what}: code {code}, {}", answer.remark)),
    }
}
