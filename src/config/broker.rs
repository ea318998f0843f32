//! The broker's properties: RocketMQ's names, our defaults, and what each does here.
//!
//! Names and defaults are those of `BrokerConfig`, `MessageStoreConfig` and `NettyServerConfig` of 5.3.3 and 4.9.7, except
//! where the effect says so: `flushDiskType` and `fileReservedTime` are the ones that differ in default on purpose or in the
//! shipped samples. Rows of parts that are not served yet are in `later`; keys that can have no effect are in `ignored`.
//!
//! Adding a row: it must be read by `Settings` (a test compares) and `docs/operations.md` must be printed again (a test
//! compares: `ringmq broker -p --markdown`).

use super::ignored::BROKER_IGNORED;
use super::kind::Kind;
use super::property::{Property, Table};

pub static BROKER: Table = Table { rows: ROWS, ignored: BROKER_IGNORED };

const fn ms(min: i64, max: i64) -> Kind {
    Kind::Integer { unit: "ms", min, max }
}

const fn count(unit: &'static str, min: i64, max: i64) -> Kind {
    Kind::Integer { unit, min, max }
}

const HOUR: i64 = 3_600_000;
const PORT: Kind = count("", 3, 65_534);
const INT_MAX: i64 = i32::MAX as i64;

const REPLICAS: &str = "replication";
const METRICS: &str = "metrics export";
const TRACE: &str = "message trace";
const ADMIN: &str = "further admin requests";
const OPEN_BROKER: &str = "access control is not served yet, and a broker that ignored this would be open to everyone";
const ONE_COPY: &str =
    "replication is not served yet, and a broker that ignored this would keep one copy where several were asked for";

use Property as P;

static ROWS: &[Property] = &[
    // Who this broker is and where it is found.
    P::used("brokerClusterName", Kind::Name, "DefaultCluster", "The cluster that this broker registers in.").important(),
    P::used("brokerName", Kind::Name, "", "The name that routes and message queues carry; default: the host's name. With shardRouting=direct each shard adds its number: broker-a-0.").important(),
    P::used("brokerId", count("", 0, i64::MAX), "0", "0 is the master of its broker name.").important().must("0", ONE_COPY),
    P::used("namesrvAddr", Kind::HostPorts, "", "Name servers to register with, all of them; environment NAMESRV_ADDR is the default, -n overrides.").important(),
    P::used("brokerIP1", Kind::Host, "", "The address told to clients; default: that of the interface of the default route.").important(),
    P::used("brokerIP2", Kind::Host, "", "The address told to replicas; default: brokerIP1."),
    P::used("listenPort", PORT, "10911", "Port for clients; listenPort-2 (the VIP port) is opened too.").important(),
    P::used("bindAddress", Kind::Ip, "0.0.0.0", "The local address to listen on."),
    P::used("brokerPermission", Kind::Choice(&["2", "4", "6"]), "6", "4 read, 2 write, 6 both; registered with each topic's own permission.").live().important(),
    P::used("regionId", Kind::Name, "DefaultRegion", "Sent back with each send, for message traces.").live(),
    P::used("traceOn", Kind::Boolean, "true", "Tells clients with each send whether they should trace.").live(),
    // Cores and memory.
    P::used("shards", count("shards", 1, 256), "auto", "How many shards a new store has; auto: the number of cores. An existing store keeps its own.").created().important(),
    P::used("cores", Kind::Cores, "auto", "The cores to pin shards to; auto: all that this process may use. With fewer cores than shards, a core runs several.").important(),
    P::used("shardRouting", Kind::Choice(&["mesh", "direct"]), "mesh", "mesh: one broker and port made of all shards. direct: each shard is a broker of its own, 4 ports apart, and nothing crosses cores.").created().important(),
    P::used("memoryBudget", Kind::Bytes { min: 32 << 20, max: i64::MAX }, "auto", "Bounds all caches and buffers together; auto: a quarter of the cgroup's limit or of the RAM.").important(),
    P::used("tailCacheBytes", Kind::Bytes { min: 1 << 20, max: i64::MAX }, "auto", "Memory of each shard for the blocks written last, from which consumers that keep up are served; auto: 45 % of the shard's part of memoryBudget, at most 256 MiB."),
    P::used("coldCacheBytes", Kind::Bytes { min: 1 << 20, max: i64::MAX }, "auto", "Memory of each shard for what was read from the disk last, which consumers that are further behind share; auto: 5 % of the shard's part of memoryBudget, at most 32 MiB."),
    P::used("spinMicros", count("µs", 0, 1_000_000), "0", "How long a core that has nothing to do looks for something before it sleeps. Not 0: an idle core is never idle; see docs/performance.md for what it gains."),
    P::used("connectionsMax", count("connections", 16, 4_000_000), "auto", "Beyond it new connections are closed with a log line; auto: what nofile and memoryBudget allow."),
    P::used("frameLengthMax", Kind::Bytes { min: 1 << 20, max: 64 << 20 }, "16MiB", "A longer frame closes its connection; stock clients accept no longer ones either."),
    P::used("serverChannelMaxIdleTimeSeconds", count("s", 1, 86_400), "120", "A connection without any traffic for so long is closed."),
    P::used("channelExpiredTimeout", ms(1_000, 24 * HOUR), "120000", "A client without a heartbeat for so long leaves its groups.").live(),
    // The store.
    P::used("storePathRootDir", Kind::Path, "", "The folder of the store; default: ./ringmq-data; --data overrides.").important(),
    P::used("mappedFileSizeCommitLog", Kind::Bytes { min: 16 << 20, max: 64 << 30 }, "1GiB", "Size of a segment of each shard's commit log; existing segments keep theirs."),
    P::used("flushDiskType", Kind::Choice(&["SYNC_FLUSH", "ASYNC_FLUSH"]), "SYNC_FLUSH", "SYNC_FLUSH: an acknowledgement means on disk. ASYNC_FLUSH: it means in memory. (RocketMQ's default is ASYNC_FLUSH.)").important(),
    P::used("syncFlushTimeout", ms(100, 600_000), "5000", "Accepted, without effect yet: a send is answered when it is on disk, or when the disk has failed.").live(),
    P::used("logSyncMethod", Kind::Choice(&["auto", "write_then_sync", "dsync"]), "auto", "How a block becomes durable: a write and an fdatasync, or one O_DSYNC write; auto: what a short measurement of the disk at the start finds faster."),
    P::used("logPipelineDepth", count("blocks", 1, 16), "auto", "Commit blocks in flight at once per shard; 4."),
    P::used("deleteWhen", Kind::Hours, "04", "Hours of the day in which expired segments are deleted.").live().important(),
    P::used("fileReservedTime", count("hours", 1, 876_000), "72", "Segments whose last message is older may be deleted.").live().important(),
    P::used("diskMaxUsedSpaceRatio", Kind::Percent { min: 10, max: 95 }, "75", "Above it expired segments are deleted at any hour.").live().important(),
    P::used("diskSpaceCleanForciblyRatio", Kind::Percent { min: 30, max: 97 }, "85", "Above it the oldest segments are deleted even if they have not expired (cleanFileForciblyEnable).").live(),
    P::used("diskSpaceWarningLevelRatio", Kind::Percent { min: 35, max: 99 }, "90", "Above it sends are refused with code 14 until space returns.").live(),
    P::used("cleanFileForciblyEnable", Kind::Boolean, "true", "false: messages that have not expired are never deleted; sends are refused instead.").live(),
    P::used("cleanResourceInterval", ms(100, HOUR), "10000", "How often the disk watermarks and expiry are looked at.").live(),
    P::used("deleteFileBatchMax", count("segments", 1, 1_000), "10", "How many segments one look deletes at most, per shard.").live(),
    P::used("maxMessageSize", count("bytes", 1, 4 << 20), "4194304", "A larger body is answered MESSAGE_ILLEGAL (13).").live().important(),
    P::used("messageIndexEnable", Kind::Boolean, "true", "Indexes message keys for queries by key."),
    // Topics and groups.
    P::used("autoCreateTopicEnable", Kind::Boolean, "true", "The first send to an unknown topic creates it (from TBW102, which is there if this was true at the start).").live().important(),
    P::used("defaultTopicQueueNums", count("queues", 1, 1_024), "8", "Queues of TBW102, and so the most that an automatically created topic gets.").live().important(),
    P::used("autoCreateSubscriptionGroup", Kind::Boolean, "true", "The first heartbeat or pull of an unknown group creates it.").live().important(),
    P::used("clusterTopicEnable", Kind::Boolean, "true", "Gives the topic named like the cluster read and write permission."),
    P::used("brokerTopicEnable", Kind::Boolean, "true", "Gives the topic named like the broker read and write permission."),
    P::used("traceTopicEnable", Kind::Boolean, "false", "Creates the trace topic at start.").important(),
    P::used("msgTraceTopicName", Kind::Name, "RMQ_SYS_TRACE_TOPIC", "The name of the trace topic."),
    P::used("validateSystemTopicWhenUpdateTopic", Kind::Boolean, "true", "Refuses to change system topics.").live(),
    P::used("storeReplyMessageEnable", Kind::Boolean, "true", "Keeps the answers of request-reply in the cluster's reply topic too; they are passed on either way.").live(),
    // Pulls and consumers.
    P::used("longPollingEnable", Kind::Boolean, "true", "Holds a pull that finds nothing until a message comes or the client's time is up; false: for shortPollingTimeMills.").live(),
    P::used("shortPollingTimeMills", ms(1, 60_000), "1000", "How long a pull is held when longPollingEnable=false.").live(),
    P::used("enablePropertyFilter", Kind::Boolean, "false", "Serves SQL92 subscriptions: filters by message properties, which reads every message.").live().important(),
    P::used("filterSupportRetry", Kind::Boolean, "false", "SQL92 subscriptions also decide which retried messages come; otherwise all do.").live(),
    P::used("litePullMessageEnable", Kind::Boolean, "true", "Serves LITE_PULL_MESSAGE (361).").live(),
    P::used("pullBatchMaxMessageCount", count("messages", 1, 1_024), "160", "The most messages one pull returns, whatever it asks for.").live(),
    P::used("maxTransferBytesOnMessageInMemory", Kind::Bytes { min: 4_096, max: 8 << 20 }, "256KiB", "The most bytes one pull returns (one message is always returned).").live(),
    P::used("defaultQueryMaxNum", count("messages", 1, 64), "32", "The most messages that a query by unique key returns.").live(),
    P::used("notifyConsumerIdsChangedEnable", Kind::Boolean, "true", "Tells a group's members at once when one joins or leaves.").live(),
    P::used("useServerSideResetOffset", Kind::Boolean, "true", "true: resetOffsetByTime and its like set the offsets in the broker, also of groups that are offline. false: the broker tells the group's members, which must be online (as 4.9 does).").live(),
    // Registration and administration.
    P::used("registerNameServerPeriod", ms(10_000, 60_000), "30000", "How often the broker registers again."),
    P::used("registerBrokerTimeoutMills", ms(100, 60_000), "24000", "How long one registration may take."),
    P::used("forceRegister", Kind::Boolean, "true", "false: asks first whether the name server has the newest version.").live(),
    P::used("compressedRegister", Kind::Boolean, "false", "Deflates the registration's body.").live(),
    P::used("startAcceptSendRequestTimeStamp", ms(0, i64::MAX), "0", "Sends before this time are refused (milliseconds since 1970).").live(),
    P::used("configBlackList", Kind::Text, "configBlackList;brokerConfigPath", "Properties that updateBrokerConfig refuses, ';' between them."),
    // Replication.
    P::later("brokerRole", Kind::Choice(&["ASYNC_MASTER", "SYNC_MASTER", "SLAVE"]), "ASYNC_MASTER", REPLICAS).important().must("ASYNC_MASTER", ONE_COPY),
    P::later("haListenPort", count("", 0, 65_535), "0", REPLICAS),
    P::later("haMasterAddress", Kind::HostPorts, "", REPLICAS),
    P::later("haSendHeartbeatInterval", ms(1, HOUR), "5000", REPLICAS),
    P::later("haHousekeepingInterval", ms(1, HOUR), "20000", REPLICAS),
    P::later("haMaxGapNotInSync", Kind::Bytes { min: 0, max: i64::MAX }, "256MiB", REPLICAS),
    P::later("slaveReadEnable", Kind::Boolean, "false", REPLICAS).live(),
    P::later("slaveTimeout", ms(1, HOUR), "3000", REPLICAS).live(),
    P::later("totalReplicas", count("replicas", 1, 100), "1", REPLICAS).must("1", ONE_COPY),
    P::later("inSyncReplicas", count("replicas", 1, 100), "1", REPLICAS).must("1", ONE_COPY),
    P::later("minInSyncReplicas", count("replicas", 1, 100), "1", REPLICAS).must("1", ONE_COPY),
    P::later("allAckInSyncStateSet", Kind::Boolean, "false", REPLICAS).must("false", ONE_COPY),
    P::later("enableSlaveActingMaster", Kind::Boolean, "false", REPLICAS).must("false", ONE_COPY),
    P::later("enableControllerMode", Kind::Boolean, "false", REPLICAS).must("false", ONE_COPY),
    P::later("controllerAddr", Kind::HostPorts, "", REPLICAS),
    P::later("enableDLegerCommitLog", Kind::Boolean, "false", REPLICAS).must("false", ONE_COPY),
    P::later("duplicationEnable", Kind::Boolean, "false", REPLICAS).must("false", ONE_COPY),
    // Access control.
    P::later("aclEnable", Kind::Boolean, "false", "access control").must("false", OPEN_BROKER),
    P::later("authenticationEnabled", Kind::Boolean, "false", "access control").must("false", OPEN_BROKER),
    P::later("authorizationEnabled", Kind::Boolean, "false", "access control").must("false", OPEN_BROKER),
    P::later("tls.server.mode", Kind::Choice(&["disabled", "permissive", "enforcing"]), "disabled", "TLS").must("disabled", "TLS is not served yet, and clients must not believe that they are encrypted"),
    P::later("useTLS", Kind::Boolean, "false", "TLS").must("false", "TLS is not served yet, and connections to name servers would not be encrypted"),
    P::later("socksProxyConfig", Kind::Text, "{}", "proxies for name servers").must("{}", "name servers are reached directly"),
    P::later("fetchNamesrvAddrByAddressServer", Kind::Boolean, "false", "name servers from an address server").must("false", "name the name servers with namesrvAddr"),
    // Delayed and timer messages.
    P::used("messageDelayLevel", Kind::Delays, "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h", "How long messages of each delay level wait, from level 1 on; a higher level waits as long as the last. What waits already keeps its time."),
    P::used("delayedMessagesMax", count("messages", 1, 1 << 30), "16777216", "The most messages that wait for their time in one shard, with about 20 bytes of memory each; more are refused."),
    P::used("timerWheelEnable", Kind::Boolean, "true", "false: messages with TIMER_DELAY_SEC, TIMER_DELAY_MS or TIMER_DELIVER_MS are refused."),
    P::used("timerMaxDelaySec", count("s", 1, INT_MAX), "259200", "A timer message that wants to wait longer is answered MESSAGE_ILLEGAL (13)."),
    P::used("recallMessageEnable", Kind::Boolean, "false", "Lets producers take back timer messages that still wait.").live(),
    P::used("allowRecallWhenBrokerNotWriteable", Kind::Boolean, "true", "Also while brokerPermission forbids sending.").live(),
    // Transactions.
    P::used("rejectTransactionMessage", Kind::Boolean, "false", "Refuses transactional messages with code 16.").live(),
    P::used("transactionTimeOut", ms(1, 24 * HOUR), "6000", "A half message without commit or rollback for so long is checked: its producer is asked.").live(),
    P::used("transactionCheckMax", count("checks", 1, 10_000), "15", "After so many checks without an answer a half message is moved to TRANS_CHECK_MAX_TIME_TOPIC.").live(),
    P::used("transactionCheckInterval", ms(1, 24 * HOUR), "30000", "How often half messages are looked through for those to check. (60000 in 4.9.)").live(),
    // POP.
    P::used("defaultMessageRequestMode", Kind::Choice(&["PULL", "POP"]), "PULL", "How a group consumes a topic for which setConsumeMode has said nothing.").live(),
    P::used("defaultPopShareQueueNum", count("consumers", -1, 10_000), "-1", "With how many of its neighbours a popping consumer shares its queues; 0 and less: everyone pops every queue.").live(),
    P::used("serverLoadBalancerEnable", Kind::Boolean, "true", "QUERY_ASSIGNMENT (400) divides a topic's queues among a group; false: everyone gets all of them.").live(),
    P::used("reviveQueueNum", count("queues", 1, 1_024), "8", "How many revive queues handles name; here nothing is kept in them."),
    P::used("enablePopMessageThreshold", Kind::Boolean, "false", "Lets popInflightMessageThreshold count.").live(),
    P::used("popInflightMessageThreshold", count("messages", 1, i64::MAX), "10000", "The most messages of a queue that a group may have popped and not acked; beyond it a pop finds nothing.").live(),
    P::used("enableRetryTopicV2", Kind::Boolean, "false", "Names a group's retry topic of a popped topic %RETRY%group+topic instead of %RETRY%group_topic.").live(),
    P::used("retrieveMessageFromPopRetryTopicV1", Kind::Boolean, "true", "With enableRetryTopicV2 the older retry topic is popped too.").live(),
    P::used("popFromRetryProbability", Kind::Percent { min: 0, max: 100 }, "20", "How often a pop looks into the retry topic first, instead of after the topic's own queues.").live(),
    P::used("popResponseReturnActualRetryTopic", Kind::Boolean, "false", "Messages out of a retry topic carry its name; false: the name of the topic that was popped.").live(),
    P::used("popPollingSize", count("pops", 1, 1_000_000), "1024", "The most pops that wait on one core for the same topic, group and queue.").live(),
    P::used("maxPopPollingSize", count("pops", 1, 10_000_000), "100000", "The most pops that wait on one core.").live(),
    // Batches and light queues.
    P::later("enableLmq", Kind::Boolean, "false", "light message queues").must("false", "light message queues are not served yet"),
    P::later("enableMultiDispatch", Kind::Boolean, "false", "light message queues").must("false", "light message queues are not served yet"),
    P::later("enableCompaction", Kind::Boolean, "true", "compacted topics"),
    // Requests and outlets that come later.
    P::later("enableMixedMessageType", Kind::Boolean, "false", ADMIN),
    P::later("enableDetailStat", Kind::Boolean, "true", TRACE),
    P::later("metricsExporterType", Kind::Choice(&["DISABLE", "OTLP_GRPC", "PROM", "LOG"]), "DISABLE", METRICS),
    P::later("metricsPromExporterPort", count("", 1, 65_535), "5557", METRICS),
    P::later("metricsPromExporterHost", Kind::Text, "", METRICS),
    P::later("metricsGrpcExporterTarget", Kind::Text, "", METRICS),
    P::later("metricsLabel", Kind::Text, "", METRICS),
    P::later("metricsInDelta", Kind::Boolean, "false", METRICS),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::property::Standing;
    use std::collections::BTreeSet;

    #[test]
    fn every_default_is_allowed_by_its_own_kind() {
        for row in BROKER.rows.iter().filter(|row| !row.default.is_empty() && row.default != "auto") {
            assert!(row.kind.parse(row.default).is_ok(), "{}={} is not {}", row.name, row.default, row.kind.allowed());
            if let Some((value, _)) = row.must {
                assert_eq!(row.default, value, "{}: the only value that can be served must be the default", row.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_used_rows_explain_themselves() {
        let mut seen = BTreeSet::new();
        for row in BROKER.rows.iter().copied().chain(BROKER.ignored()) {
            assert!(seen.insert(row.name), "{} is in the table twice", row.name);
            assert!(row.standing != Standing::Used || row.effect.ends_with(['.', ')']), "{}: one sentence, please", row.name);
        }
    }

    /// Field names of the two Java versions, as `javap` lists them: no file that started a real broker may be refused for a name.
    #[test]
    fn every_field_of_the_java_brokers_is_known() {
        let fields = include_str!("java_fields.txt");
        let missing: Vec<&str> = fields.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let missing: Vec<&str> = missing.into_iter().filter(|name| BROKER.find(name).is_none()).collect();
        assert!(missing.is_empty(), "not in the table: {missing:?}");
    }

    #[test]
    fn a_slip_of_the_pen_finds_what_was_meant() {
        for (typed, meant) in [
            ("brokerNmae", "brokerName"),
            ("flushDisktype", "flushDiskType"),
            ("nameSrvAddr", "namesrvAddr"),
            ("fileReserveTime", "fileReservedTime"),
            ("brokerIp1", "brokerIP1"),
        ] {
            assert_eq!(BROKER.nearest(typed), Some(meant));
        }
        assert_eq!(BROKER.nearest("zzzzzz"), None);
    }
}
