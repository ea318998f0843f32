//! The broker's settings, typed: what `broker` reads, field by field, from the checked values of `broker.conf`.
//!
//! Node-wide and immutable; a live update makes a new `Settings` that is handed to every core.
//!
//! Before: `layers`; after: `node`, `broker`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::changes::Changes;
use super::error::{ConfigErrors, Origin};
use super::layers::Values;
use super::pop::PopSettings;
use super::property::Property;
use ringmq_shards::log::SyncMethod;
use ringmq_shards::placement::Routing;

/// When an acknowledgement may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// After the sync that covers it.
    Sync,
    /// Once it is in memory: a choice that a user makes, never a default.
    Async,
}

#[derive(Clone, Debug)]
pub struct Settings {
    values: Values,

    pub cluster_name: String,
    /// None: the host's name, see `node`.
    pub broker_name: Option<String>,
    pub broker_id: i64,
    /// `host:port` of each name server.
    pub namesrv: Vec<String>,
    pub broker_ip1: Option<String>,
    pub broker_ip2: Option<String>,
    pub listen_port: u16,
    pub bind_address: IpAddr,
    /// Bits as registered: 4 read, 2 write.
    pub broker_permission: i32,
    pub region_id: String,
    pub trace_on: bool,

    /// None: one per core. An existing store keeps its own number.
    pub shards: Option<u16>,
    /// None: all that this process may use.
    pub cores: Option<Vec<usize>>,
    pub routing: Routing,
    pub memory_budget: Option<u64>,
    pub tail_cache_bytes: Option<u64>,
    pub cold_cache_bytes: Option<u64>,
    pub spin: Duration,
    pub connections_max: Option<u32>,
    pub frame_bytes_max: u32,
    pub connection_idle_s: u32,
    pub client_expiry_ms: i64,

    pub store_dir: Option<PathBuf>,
    pub segment_bytes: u64,
    pub flush: Flush,
    pub flush_timeout_ms: i64,
    /// None: what the probe at the start finds faster.
    pub sync: Option<SyncMethod>,
    pub pipeline_depth: Option<usize>,
    /// Hours of the day, 0 to 23.
    pub delete_when: Vec<u8>,
    pub retention_hours: i64,
    /// The three watermarks, in per cent of the file system.
    pub disk_used_max: u8,
    pub disk_clean_forcibly: u8,
    pub disk_refuse: u8,
    pub clean_forcibly: bool,
    pub clean_interval_ms: i64,
    pub delete_batch_max: usize,
    pub message_bytes_max: usize,
    pub message_index: bool,

    pub auto_create_topic: bool,
    pub default_topic_queues: u32,
    pub auto_create_group: bool,
    pub cluster_topic: bool,
    pub broker_topic: bool,
    pub trace_topic: bool,
    pub trace_topic_name: String,
    pub protect_system_topics: bool,
    pub store_replies: bool,

    pub long_polling: bool,
    pub short_polling_ms: i64,
    pub lite_pull: bool,
    pub pull_messages_max: u32,
    pub unique_key_messages_max: usize,
    pub pull_bytes_max: usize,
    pub notify_members: bool,
    pub pop: PopSettings,

    pub reject_transactions: bool,
    /// How old a half message is before its producer is asked.
    pub transaction_timeout_ms: i64,
    pub transaction_checks_max: u32,
    pub transaction_check_interval_ms: i64,
    /// Whether SQL92 subscriptions are served.
    pub property_filter: bool,
    /// Whether they also decide which retried messages come.
    pub filter_retries: bool,

    /// Milliseconds of each delay level; at least one.
    pub delay_levels: Vec<i64>,
    /// Messages that may wait in one shard.
    pub delayed_max: usize,
    pub timer_wheel: bool,
    pub timer_delay_millis_max: i64,
    pub recall: bool,
    pub recall_when_unwritable: bool,
    /// The broker resets consumer offsets itself, instead of telling consumers to.
    pub server_side_reset: bool,

    pub register_period_ms: i64,
    pub register_timeout_ms: i64,
    pub register_always: bool,
    pub register_compressed: bool,
    /// Milliseconds since 1970 before which sends are refused.
    pub accept_sends_from: i64,
    /// Names that may not be changed by a request.
    pub update_refused: Vec<String>,
}

impl Settings {
    /// Never fails: what could be wrong was found when the values were made, except how properties relate, see `relations`.
    pub fn from_values(values: Values) -> Settings {
        let v = &values;
        let millis = |name| v.number::<i64>(name);
        Settings {
            cluster_name: v.text("brokerClusterName"),
            broker_name: v.text_or_none("brokerName"),
            broker_id: v.number("brokerId"),
            namesrv: v.list("namesrvAddr"),
            broker_ip1: v.text_or_none("brokerIP1"),
            broker_ip2: v.text_or_none("brokerIP2"),
            listen_port: v.number("listenPort"),
            bind_address: v.text("bindAddress").parse().expect("Kind::Ip was checked"),
            broker_permission: v.text("brokerPermission").parse().expect("a choice of digits"),
            region_id: v.text("regionId"),
            trace_on: v.flag("traceOn"),

            shards: v.number_or_none("shards").map(|shards| shards as u16),
            cores: v.numbers("cores").map(|cores| cores.into_iter().map(|core| core as usize).collect()),
            routing: if v.text("shardRouting") == "direct" { Routing::Direct } else { Routing::Mesh },
            memory_budget: v.number_or_none("memoryBudget").map(|bytes| bytes as u64),
            tail_cache_bytes: v.number_or_none("tailCacheBytes").map(|bytes| bytes as u64),
            cold_cache_bytes: v.number_or_none("coldCacheBytes").map(|bytes| bytes as u64),
            spin: Duration::from_micros(v.number("spinMicros")),
            connections_max: v.number_or_none("connectionsMax").map(|connections| connections as u32),
            frame_bytes_max: v.number("frameLengthMax"),
            connection_idle_s: v.number("serverChannelMaxIdleTimeSeconds"),
            client_expiry_ms: millis("channelExpiredTimeout"),

            store_dir: v.text_or_none("storePathRootDir").map(PathBuf::from),
            segment_bytes: v.number("mappedFileSizeCommitLog"),
            flush: if v.text("flushDiskType") == "ASYNC_FLUSH" { Flush::Async } else { Flush::Sync },
            flush_timeout_ms: millis("syncFlushTimeout"),
            sync: match v.text_or_none("logSyncMethod").as_deref() {
                Some("write_then_sync") => Some(SyncMethod::WriteThenSync),
                Some("dsync") => Some(SyncMethod::Dsync),
                _ => None,
            },
            pipeline_depth: v.number_or_none("logPipelineDepth").map(|depth| depth as usize),
            delete_when: v.numbers("deleteWhen").unwrap_or_default().into_iter().map(|hour| hour as u8).collect(),
            retention_hours: v.number("fileReservedTime"),
            disk_used_max: v.number("diskMaxUsedSpaceRatio"),
            disk_clean_forcibly: v.number("diskSpaceCleanForciblyRatio"),
            disk_refuse: v.number("diskSpaceWarningLevelRatio"),
            clean_forcibly: v.flag("cleanFileForciblyEnable"),
            clean_interval_ms: millis("cleanResourceInterval"),
            delete_batch_max: v.number("deleteFileBatchMax"),
            message_bytes_max: v.number("maxMessageSize"),
            message_index: v.flag("messageIndexEnable"),

            auto_create_topic: v.flag("autoCreateTopicEnable"),
            default_topic_queues: v.number("defaultTopicQueueNums"),
            auto_create_group: v.flag("autoCreateSubscriptionGroup"),
            cluster_topic: v.flag("clusterTopicEnable"),
            broker_topic: v.flag("brokerTopicEnable"),
            trace_topic: v.flag("traceTopicEnable"),
            trace_topic_name: v.text("msgTraceTopicName"),
            protect_system_topics: v.flag("validateSystemTopicWhenUpdateTopic"),
            store_replies: v.flag("storeReplyMessageEnable"),

            long_polling: v.flag("longPollingEnable"),
            short_polling_ms: millis("shortPollingTimeMills"),
            lite_pull: v.flag("litePullMessageEnable"),
            pull_messages_max: v.number("pullBatchMaxMessageCount"),
            unique_key_messages_max: v.number("defaultQueryMaxNum"),
            pull_bytes_max: v.number("maxTransferBytesOnMessageInMemory"),
            notify_members: v.flag("notifyConsumerIdsChangedEnable"),
            pop: PopSettings::from_values(v),

            reject_transactions: v.flag("rejectTransactionMessage"),
            transaction_timeout_ms: millis("transactionTimeOut"),
            transaction_checks_max: v.number("transactionCheckMax"),
            transaction_check_interval_ms: millis("transactionCheckInterval"),
            property_filter: v.flag("enablePropertyFilter"),
            filter_retries: v.flag("filterSupportRetry"),

            delay_levels: v.numbers("messageDelayLevel").expect("it has a default"),
            delayed_max: v.number("delayedMessagesMax"),
            timer_wheel: v.flag("timerWheelEnable"),
            timer_delay_millis_max: v.number::<i64>("timerMaxDelaySec") * 1_000,
            recall: v.flag("recallMessageEnable"),
            recall_when_unwritable: v.flag("allowRecallWhenBrokerNotWriteable"),
            server_side_reset: v.flag("useServerSideResetOffset"),

            register_period_ms: millis("registerNameServerPeriod"),
            register_timeout_ms: millis("registerBrokerTimeoutMills"),
            register_always: v.flag("forceRegister"),
            register_compressed: v.flag("compressedRegister"),
            accept_sends_from: millis("startAcceptSendRequestTimeStamp"),
            update_refused: v
                .text("configBlackList")
                .split(';')
                .map(str::trim)
                .filter(|n| !n.is_empty())
                .map(str::to_string)
                .collect(),

            values,
        }
    }

    /// What is wrong with properties that are each allowed, but not together.
    pub fn relations(&self) -> Result<(), String> {
        let (used, clean, refuse) = (self.disk_used_max, self.disk_clean_forcibly, self.disk_refuse);
        if !(used <= clean && clean <= refuse) {
            return Err(format!(
                "diskMaxUsedSpaceRatio={used}, diskSpaceCleanForciblyRatio={clean} and diskSpaceWarningLevelRatio={refuse} must not fall in this order"
            ));
        }
        let frame_min = self.message_bytes_max as u64 + (64 << 10);
        if u64::from(self.frame_bytes_max) < frame_min {
            return Err(format!("frameLengthMax must be at least maxMessageSize and 64KiB, that is {frame_min}"));
        }
        Ok(())
    }

    /// Every property as `name=value`, for `-p` and for mqadmin's getBrokerConfig.
    pub fn properties(&self) -> Vec<(Property, String, Origin)> {
        self.values.all()
    }

    /// What to tell at start: duplicates, keys without effect.
    pub fn notes(&self) -> &[String] {
        &self.values.notes
    }

    pub fn origin(&self, name: &str) -> Origin {
        self.values.origin(name)
    }

    /// These settings with what requests have changed in earlier runs.
    pub fn with_changes(&self, changes: &Changes) -> Settings {
        Settings::from_values(self.values.with_changes(changes))
    }

    /// What requests have changed, for the next start.
    pub fn changes(&self) -> &Changes {
        self.values.changes()
    }

    /// These settings after mqadmin's updateBrokerConfig, none of the black list. What is not live is as it was until the next
    /// start, and refused unless it is kept until then.
    pub fn update(&self, changes: &[(String, String)], keeps: bool) -> Result<Settings, UpdateRefused> {
        if let Some((name, _)) = changes.iter().find(|(name, _)| self.update_refused.contains(name)) {
            return Err(UpdateRefused::BlackListed(name.clone()));
        }
        let settings = Settings::from_values(self.values.update(changes, keeps).map_err(UpdateRefused::Invalid)?);
        settings.relations().map_err(UpdateRefused::Relation)?;
        Settings::from_values(settings.values.at_next_start()).relations().map_err(UpdateRefused::Relation)?;
        Ok(settings)
    }
}

/// Why a running broker keeps its settings as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateRefused {
    BlackListed(String),
    Invalid(ConfigErrors),
    Relation(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BROKER, Layers};
    use std::path::Path;

    fn settings(text: &str) -> Settings {
        let mut layers = Layers::new(&BROKER);
        layers.text(Path::new("broker.conf"), text);
        Settings::from_values(layers.finish().expect("allowed"))
    }

    #[test]
    fn every_used_property_is_read() {
        assert_eq!(settings("").values.unread(), [""; 0]);
    }

    #[test]
    fn the_ordinary_file_of_the_documentation() {
        let s = settings(
            "brokerClusterName = DefaultCluster\nbrokerName = broker-a\nbrokerId = 0\ndeleteWhen = 04\nfileReservedTime = 48\n\
             brokerRole = ASYNC_MASTER\nflushDiskType = ASYNC_FLUSH\nnamesrvAddr=10.0.0.1:9876;10.0.0.2:9876\n",
        );
        assert_eq!(s.broker_name.as_deref(), Some("broker-a"));
        assert_eq!((s.retention_hours, s.delete_when.as_slice()), (48, [4].as_slice()));
        assert_eq!(s.flush, Flush::Async);
        assert_eq!(s.namesrv, ["10.0.0.1:9876", "10.0.0.2:9876"]);
        assert_eq!(s.notes(), [""; 0]);
    }

    #[test]
    fn the_samples_are_allowed() {
        for sample in [
            include_str!("../../conf/broker.conf"),
            include_str!("../../conf/2m-noslave/broker-a.properties"),
            include_str!("../../conf/2m-noslave/broker-b.properties"),
        ] {
            let s = settings(sample);
            assert_eq!((s.flush, s.retention_hours, s.notes()), (Flush::Sync, 48, [].as_slice()));
        }
    }

    #[test]
    fn durable_unless_told_otherwise() {
        let s = settings("");
        assert_eq!(s.flush, Flush::Sync);
        assert_eq!((s.segment_bytes, s.message_bytes_max, s.listen_port), (1 << 30, 4 << 20, 10911));
        assert_eq!((s.shards, s.memory_budget, s.routing), (None, None, Routing::Mesh));
        assert_eq!(s.relations(), Ok(()));
    }

    #[test]
    fn relations_are_checked() {
        assert!(settings("diskMaxUsedSpaceRatio=95").relations().unwrap_err().contains("diskSpaceCleanForciblyRatio=85"));
        assert!(settings("frameLengthMax=1MiB").relations().is_err());
    }

    #[test]
    fn updates_respect_the_black_list_and_relations() {
        let s = settings("configBlackList=configBlackList;fileReservedTime");
        let change = |name: &str, value: &str| s.update(&[(name.to_string(), value.to_string())], false);
        assert_eq!(change("fileReservedTime", "1").unwrap_err(), UpdateRefused::BlackListed("fileReservedTime".into()));
        assert!(matches!(change("diskMaxUsedSpaceRatio", "95"), Err(UpdateRefused::Relation(_))));
        assert!(matches!(change("listenPort", "99"), Err(UpdateRefused::Invalid(_))));
        assert_eq!(change("brokerPermission", "4").unwrap().broker_permission, 4);
        assert!(!change("autoCreateTopicEnable", "false").unwrap().auto_create_topic);
        assert!(!change("autoCreateSubscriptionGroup", "false").unwrap().auto_create_group);
    }

    fn value_of(settings: &Settings, name: &str) -> String {
        settings.properties().into_iter().find(|(property, ..)| property.name == name).expect("a row").1
    }

    /// Some changes of running settings, each `name=value`, kept for the next start.
    fn updated(settings: &Settings, changes: &[&str]) -> Settings {
        let pair = |change: &&str| change.split_once('=').map(|(name, value)| (name.to_string(), value.to_string())).unwrap();
        settings.update(&changes.iter().map(pair).collect::<Vec<_>>(), true).expect("allowed")
    }

    #[test]
    fn changes_last_and_those_of_a_restart_come_with_it() {
        let file = "fileReservedTime=48\nlistenPort=10911";
        let running = updated(&settings(file), &["fileReservedTime=24", "listenPort=9999", "deleteWhen=05"]);
        assert_eq!((running.retention_hours, running.listen_port), (24, 10911));
        assert_eq!(value_of(&running, "listenPort"), "9999", "shown as RocketMQ shows it");
        let restarted = settings(file).with_changes(running.changes());
        assert_eq!(
            (restarted.retention_hours, restarted.listen_port, restarted.delete_when.as_slice()),
            (24, 9999, [5].as_slice())
        );
        assert_eq!(restarted.changes(), running.changes(), "they last for the start after that, too");
        let back = updated(&restarted, &["fileReservedTime=48", "listenPort=10911", "deleteWhen="]);
        assert_eq!(back.changes(), &Changes::default(), "as the file has it");
        assert_eq!(back.retention_hours, 48);
    }

    #[test]
    fn whoever_edits_the_file_later_has_the_last_word() {
        let running = updated(&settings("fileReservedTime=48"), &["fileReservedTime=24", "brokerPermission=4"]);
        let edited = settings("fileReservedTime=96").with_changes(running.changes());
        assert_eq!((edited.retention_hours, edited.broker_permission), (96, 4));
        assert_eq!(
            edited.notes(),
            [
                "fileReservedTime=24, set by updateBrokerConfig, does not count any more: the configuration has been changed since, to 96"
            ]
        );
        assert_eq!(edited.changes().0.len(), 1);
    }

    #[test]
    fn what_could_not_start_is_not_kept() {
        let s = settings("");
        let change = |name: &str, value: &str, keeps| s.update(&[(name.to_string(), value.to_string())], keeps);
        assert!(matches!(change("frameLengthMax", "1MiB", true), Err(UpdateRefused::Relation(_))), "at the next start");
        assert!(matches!(change("shards", "3", true), Err(UpdateRefused::Invalid(_))), "fixed with the store");
        assert!(matches!(change("listenPort", "no", true), Err(UpdateRefused::Invalid(_))));
        assert!(matches!(change("listenPort", "9999", false), Err(UpdateRefused::Invalid(_))), "nobody would keep it");
    }
}
