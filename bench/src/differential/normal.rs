//! Normalisation: what may differ between two brokers without meaning anything, replaced by its name in `<…>`.
//!
//! Must always be true: each is in the table below, with its reason, and applies to the paths that it names and no
//! others; a value that is not of the form expected there stays as it is, and so is a difference.
//!
//! Before: `answer`; after: `compare`.

use super::answer::{self, Answer, Outcome};
use super::pattern::fits;

/// A time counts as now when it is within so many milliseconds of the run's clock.
const NOW_WITHIN_MS: i64 = 6 * 3_600_000;

pub struct Normalisation {
    pub name: &'static str,
    /// None stands for all request codes.
    pub codes: &'static [i32],
    pub paths: &'static [&'static str],
    pub becomes: fn(&str, i64) -> Option<&'static str>,
    pub reason: &'static str,
}

/// Applied to texts wherever they stand, because they replace exact texts of the run only.
pub const EVERYWHERE: &[(&str, &str)] = &[
    ("run", "names carry a text that no other run has, so that runs do not see each other's topics: $run is <run> again"),
    (
        "address",
        "the addresses of this run's broker, name server and connections are <broker>, <broker-vip>, <broker-ha>, <namesrv> and <client>: two \
         brokers cannot have the same",
    ),
];

pub const BUSY_REASON: &str = "a request that is refused because the broker has no time for it (code 2 and `[…]broker busy`) is asked again: the \
    original drops what waited 200 ms, which a loaded machine makes happen";

/// Arrays that are sets: Java writes them in the order of a hash table.
pub const SETS: &[&str] = &[
    "body.topicList",
    "body.groupList",
    "body.lockOKMQSet",
    "body.consumerIdList",
    "body.connectionSet",
    "body.brokerDatas",
    "body.queueDatas",
    "body.clusterAddrTable.*",
    "body.subscriptionTable.*.tagsSet",
    "body.subscriptionTable.*.codeSet",
    "body.subscriptionData.tagsSet",
    "body.subscriptionData.codeSet",
    "body.consumeTimeSpanSet",
    "body.messageQueueAssignments",
    "body.subscriptionDataSet",
    "body.data.*",
    "body.consumeStatsList",
];

pub const SETS_REASON: &str = "arrays that are sets are sorted: Java writes them in the order of a hash table";

/// The answer of the original is that of a program that failed; see `compare`.
pub const EXCEPTION: &str = "<exception>";
pub const EXCEPTION_REASON: &str = "where the original fails with a Java exception (code 1, and the text of one or none), any refusal is as good: \
    the code is compared with 0 only, and the text not at all";

/// What Java's answers begin with, and keep where a handler sets the code alone.
const UNSET: &str = "not set any response code";
pub const UNSET_REASON: &str = "a success whose remark is `not set any response code` is one without a remark: the original's handler set the \
    code and forgot the text that answers begin with; and an empty remark is none, which a binary header cannot tell apart";

pub const HEADER_REASON: &str = "of a header, language, version, encoding and number are not compared: the first two say who answers, \
    the encoding is the request's with us and the broker's own with the original, and the number is the request's";

pub const TABLE: &[Normalisation] = &[
    Normalisation {
        name: "message-id",
        codes: &[],
        paths: &["ext.msgId", "body[*].properties.ORIGIN_MESSAGE_ID", "ext.offsetMsgId"],
        becomes: |value, _| value.split(',').all(|id| matches!(id.len(), 32 | 56) && hex(id)).then_some("<message id>"),
        reason: "an offset id is the broker's address and the message's place in its log",
    },
    Normalisation {
        name: "unique-key",
        codes: &[],
        paths: &[
            "ext.transactionId",
            "ext.msgId",
            "body[*].properties.UNIQ_KEY",
            "body[*].properties.__transactionId__",
            "body[*].properties.INNER_UNIQ*",
        ],
        becomes: |value, _| (matches!(value.len(), 32 | 56) && hex(value)).then_some("<unique key>"),
        reason: "a broker makes one for a message that came without, of its address (IPv4 or IPv6), process and clock",
    },
    Normalisation {
        name: "now",
        codes: &[],
        paths: &[
            "body[*].storeTimestamp",
            "body[*].bornTimestamp",
            "body[*].properties.TIMER_*_MS",
            "body[*].properties.PUSH_REPLY_TIME",
            "ext.properties.PUSH_REPLY_TIME",
            "body[*].properties.BORN_TIMESTAMP",
            "body[*].properties.POP_CK",
            "ext.bornTimestamp",
            "ext.storeTimestamp",
            "ext.timestamp",
            "ext.popTime",
            "ext.indexLastUpdateTimestamp",
            "body.*imestamp",
            "body.*imeStamp",
            "body*.subVersion",
            "body.table.bootTimestamp",
        ],
        becomes: |value, now| {
            let time = value.split(' ').next()?.parse::<i64>().ok()?;
            ((time - now).abs() < NOW_WITHIN_MS).then_some("<now>")
        },
        reason: "a time within six hours of the run: two brokers do not do a thing in the same millisecond",
    },
    Normalisation {
        name: "now-in-words",
        codes: &[],
        paths: &["body.*imeStampStr"],
        becomes: |value, _| value.contains('#').then_some("<now>"),
        reason: "the same times, written as a date",
    },
    Normalisation {
        name: "pop-handle",
        codes: &[],
        paths: &["body[*].properties.POP_CK", "body[*].properties.1ST_POP_TIME", "ext.reviveQid"],
        becomes: |value, now| {
            let first = value.split(' ').nth(1).unwrap_or(value).parse::<i64>().ok()?;
            ((0..1000).contains(&first) && !value.contains(' ') && first != 999 || (first - now).abs() < NOW_WITHIN_MS)
                .then_some("<pop handle>")
        },
        reason: "which revive queue remembers a pop, and when it was, is the broker's own; 999, which says ordered, is compared",
    },
    Normalisation {
        name: "position",
        codes: &[],
        paths: &[
            "body[*].physicalOffset",
            "ext.indexLastUpdatePhyoffset",
            "ext.commitLogOffset",
            "body.queueData[*].physicOffset",
            "body.queueData[*].physicSize",
        ],
        becomes: |value, _| value.parse::<i64>().is_ok_and(|at| at >= 0).then_some("<position>"),
        reason: "where in its log a broker puts a message depends on its store",
    },
    Normalisation {
        name: "prepared-position",
        codes: &[],
        paths: &["body[*].preparedTransactionOffset"],
        becomes: |value, _| value.parse::<i64>().is_ok_and(|at| at > 0).then_some("<position>"),
        reason: "the place of the half message in the log; 0, which says that there was none, is compared",
    },
    Normalisation {
        name: "half-offset",
        codes: &[39],
        paths: &["body[0].queueOffset", "ext.tranStateTableOffset"],
        becomes: |value, _| value.parse::<i64>().is_ok_and(|at| at >= 0).then_some("<half offset>"),
        reason: "half messages of all topics stand in one queue, so where one stands depends on the others",
    },
    Normalisation {
        name: "reply-offset",
        codes: &[324, 325],
        paths: &["ext.queueOffset"],
        becomes: |value, _| value.parse::<i64>().is_ok_and(|at| at >= 0).then_some("<offset>"),
        reason: "all replies are stored in one queue, those of other runs as well",
    },
    Normalisation {
        name: "data-version",
        codes: &[],
        paths: &["*ataVersion.counter", "*ataVersion.timestamp", "*ataVersion.stateVersion", "ext.version"],
        becomes: |value, _| (value.parse::<i64>().is_ok() || value.contains("\"counter\"")).then_some("<version>"),
        reason: "counts all changes since a broker's store was made, those of other runs as well",
    },
    Normalisation {
        name: "recall-handle",
        codes: &[],
        paths: &["ext.recallHandle"],
        becomes: |value, _| (value.len() > 40).then_some("<recall handle>"),
        reason: "made of the time of delivery and the unique key",
    },
    Normalisation {
        name: "spent",
        codes: &[],
        paths: &[
            "body.spentTimeMills",
            "body.consumeTimeSpanSet[*].delayTime",
            "body.consumeTps",
            "body.topicPutTps",
            "body.stats*.avgpt",
            "body.stats*.tps",
        ],
        becomes: |value, _| value.parse::<f64>().is_ok().then_some("<rate>"),
        reason: "durations and rates are those of the machine",
    },
    Normalisation {
        name: "runtime-figure",
        codes: &[28],
        paths: &["body.table.*"],
        becomes: |_, _| Some("<figure>"),
        reason: "of a broker's runtime info the names are compared; the figures count what all runs did",
    },
    Normalisation {
        name: "store-wide",
        codes: &[21, 201, 206, 305, 304, 315, 317, 328],
        paths: &["ext.totalTopicNum", "ext.totalGroupNum", "body.totalDiff", "body.totalInflightDiff", "body.stats*.sum"],
        becomes: |value, _| value.parse::<f64>().is_ok().then_some("<count>"),
        reason: "counts over the whole store, which has other files' topics and groups too",
    },
];

fn hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_lowercase())
}

/// One side's own texts.
pub struct World {
    /// What a text of this run is called, longest first.
    names: Vec<(String, String)>,
    now: i64,
}

impl World {
    pub fn new(mut names: Vec<(String, String)>, now: i64) -> World {
        names.retain(|(text, _)| !text.is_empty());
        names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        World { names, now }
    }

    pub fn called(&self, text: &str) -> String {
        self.names.iter().fold(text.to_string(), |text, (found, name)| text.replace(found.as_str(), name))
    }

    /// The outcome of a request of this code, with nothing in it that depends on who was asked when.
    pub fn normal(&self, code: i32, outcome: &Outcome) -> Answer {
        let sorted = |path: &str| SETS.iter().any(|set| fits(set, path));
        let mut answer = answer::take_apart(outcome, &sorted, &|text| self.called(text));
        let (code_is, remark) = (answer.get("code").cloned().unwrap_or_default(), answer.get("remark"));
        if code_is == "1" && remark.is_none_or(|remark| is_exception(remark)) {
            answer.insert("remark".into(), EXCEPTION.into());
        } else if remark.is_some_and(|remark| remark.is_empty() || code_is == "0" && remark == UNSET) {
            answer.remove("remark");
        }
        for (path, value) in &mut answer {
            let row = TABLE.iter().find_map(|row| {
                let applies =
                    (row.codes.is_empty() || row.codes.contains(&code)) && row.paths.iter().any(|pattern| fits(pattern, path));
                if applies { (row.becomes)(value, self.now) } else { None }
            });
            if let Some(name) = row {
                *value = name.into();
            }
        }
        answer
    }
}

/// `java.lang.NullPointerException…` and `…Exception: text, org.apache…`
fn is_exception(remark: &str) -> bool {
    let first = remark.split([':', ',', ' ', '\n']).next().unwrap_or_default();
    first.contains('.') && (first.ends_with("Exception") || first.ends_with("Error")) || remark.starts_with("Cannot invoke \"")
}

/// Name, paths and reason of each: what `--normalisations` prints, and docs/differential.md has as a table.
fn rows() -> Vec<[String; 3]> {
    let row = |name: &str, paths: &str, reason: &str| [name, paths, reason].map(str::to_string);
    let mut rows: Vec<_> = EVERYWHERE.iter().map(|(name, reason)| row(name, "everywhere", reason)).collect();
    rows.push(row("set", &SETS.join(", "), SETS_REASON));
    rows.push(row("exception", "code, remark", EXCEPTION_REASON));
    rows.push(row("unset-remark", "remark", UNSET_REASON));
    rows.push(row("busy", "code, remark", BUSY_REASON));
    rows.push(row("header", "language, version, encoding, opaque", HEADER_REASON));
    rows.extend(TABLE.iter().map(|normal| {
        let codes = if normal.codes.is_empty() { String::new() } else { format!("; of requests {:?} only", normal.codes) };
        row(normal.name, &(normal.paths.join(", ") + &codes), normal.reason)
    }));
    rows
}

pub fn listed() -> String {
    let blocks: Vec<String> = rows().iter().map(|[name, paths, reason]| format!("{name}\n    {paths}\n    {reason}")).collect();
    blocks.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::wire::Message;
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn normal(field: &str, value: &str) -> String {
        let world = World::new(vec![("127.0.0.1:9".into(), "<broker>".into()), ("r7x".into(), "<run>".into())], NOW);
        let fields = [(field.to_string(), value.to_string())].into();
        let answer = world.normal(11, &Outcome::Came(Message { fields, ..Message::default() }));
        answer[&format!("ext.{field}")].clone()
    }

    #[test]
    fn only_what_a_row_names_is_replaced() {
        assert_eq!(normal("msgId", "7F00000100002A9F0000000000000000"), "<message id>");
        assert_eq!(normal("storeTimestamp", "1700000000500"), "<now>");
        assert_eq!(normal("storeTimestamp", "1600000000000"), "1600000000000", "not a time of this run");
        assert_eq!(normal("queueOffset", "1700000000500"), "1700000000500", "no field of a time");
        assert_eq!(normal("msgId", "my-own"), "my-own");
        assert_eq!(normal("any", "at 127.0.0.1:9 in T-r7x"), "at <broker> in T-<run>");
    }

    #[test]
    fn the_documentation_has_the_table() {
        let documented = include_str!("../../../docs/differential.md");
        let code = |paths: &str| paths.split(", ").map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        for [name, paths, reason] in rows() {
            let row = format!("| {name} | {} | {reason} |", code(&paths));
            assert!(documented.contains(&row), "docs/differential.md does not have this row:\n{row}");
        }
    }

    #[test]
    fn exceptions_of_java_are_known_by_their_form() {
        assert!(is_exception("java.lang.NullPointerException: x, org.apache.rocketmq.A.b(A.java:1)"));
        assert!(is_exception("Cannot invoke \"java.lang.Integer.intValue()\" because it is null"));
        assert!(!is_exception("topic[T] not exist, apply first please!"));
    }
}
