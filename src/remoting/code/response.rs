//! Response codes: how a request ended. One table of numbers and names (remoting-protocol.md §3.2 and §9).

use std::fmt;

macro_rules! response_codes {
    ($($number:literal $variant:ident $name:literal,)*) => {
        /// A response code. Its discriminant is the number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ResponseCode {
            $($variant = $number,)*
        }

        /// All response codes, by number.
        pub const RESPONSE_CODES: &[ResponseCode] = &[$(ResponseCode::$variant,)*];

        impl ResponseCode {
            pub fn from_number(number: i32) -> Option<ResponseCode> {
                match number {
                    $($number => Some(ResponseCode::$variant),)*
                    _ => None,
                }
            }

            /// As in the Java class `ResponseCode`.
            pub fn name(self) -> &'static str {
                match self {
                    $(ResponseCode::$variant => $name,)*
                }
            }
        }
    };
}

impl ResponseCode {
    pub fn number(self) -> i32 {
        self as i32
    }
}

/// `TOPIC_NOT_EXIST(17)`
impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.number())
    }
}

response_codes! {
-1006 RpcTimeOut "RPC_TIME_OUT",
-1004 RpcSendToChannelFailed "RPC_SEND_TO_CHANNEL_FAILED",
-1002 RpcAddrIsNull "RPC_ADDR_IS_NULL",
-1000 RpcUnknown "RPC_UNKNOWN",
0 Success "SUCCESS",
1 SystemError "SYSTEM_ERROR",
2 SystemBusy "SYSTEM_BUSY",
3 RequestCodeNotSupported "REQUEST_CODE_NOT_SUPPORTED",
4 TransactionFailed "TRANSACTION_FAILED",
10 FlushDiskTimeout "FLUSH_DISK_TIMEOUT",
11 SlaveNotAvailable "SLAVE_NOT_AVAILABLE",
12 FlushSlaveTimeout "FLUSH_SLAVE_TIMEOUT",
13 MessageIllegal "MESSAGE_ILLEGAL",
14 ServiceNotAvailable "SERVICE_NOT_AVAILABLE",
15 VersionNotSupported "VERSION_NOT_SUPPORTED",
16 NoPermission "NO_PERMISSION",
17 TopicNotExist "TOPIC_NOT_EXIST",
18 TopicExistAlready "TOPIC_EXIST_ALREADY",
19 PullNotFound "PULL_NOT_FOUND",
20 PullRetryImmediately "PULL_RETRY_IMMEDIATELY",
21 PullOffsetMoved "PULL_OFFSET_MOVED",
22 QueryNotFound "QUERY_NOT_FOUND",
23 SubscriptionParseFailed "SUBSCRIPTION_PARSE_FAILED",
24 SubscriptionNotExist "SUBSCRIPTION_NOT_EXIST",
25 SubscriptionNotLatest "SUBSCRIPTION_NOT_LATEST",
26 SubscriptionGroupNotExist "SUBSCRIPTION_GROUP_NOT_EXIST",
27 FilterDataNotExist "FILTER_DATA_NOT_EXIST",
28 FilterDataNotLatest "FILTER_DATA_NOT_LATEST",
29 InvalidParameter "INVALID_PARAMETER",
200 TransactionShouldCommit "TRANSACTION_SHOULD_COMMIT",
201 TransactionShouldRollback "TRANSACTION_SHOULD_ROLLBACK",
202 TransactionStateUnknow "TRANSACTION_STATE_UNKNOW",
203 TransactionStateGroupWrong "TRANSACTION_STATE_GROUP_WRONG",
204 NoBuyerId "NO_BUYER_ID",
205 NotInCurrentUnit "NOT_IN_CURRENT_UNIT",
206 ConsumerNotOnline "CONSUMER_NOT_ONLINE",
207 ConsumeMsgTimeout "CONSUME_MSG_TIMEOUT",
208 NoMessage "NO_MESSAGE",
209 PollingFull "POLLING_FULL",
210 PollingTimeout "POLLING_TIMEOUT",
211 BrokerNotExist "BROKER_NOT_EXIST",
212 BrokerDispatchNotComplete "BROKER_DISPATCH_NOT_COMPLETE",
213 BroadcastConsumption "BROADCAST_CONSUMPTION",
215 FlowControl "FLOW_CONTROL",
501 NotLeaderForQueue "NOT_LEADER_FOR_QUEUE",
604 IllegalOperation "ILLEGAL_OPERATION",
1500 GoAway "GO_AWAY",
2000 ControllerFencedMasterEpoch "CONTROLLER_FENCED_MASTER_EPOCH",
2001 ControllerFencedSyncStateSetEpoch "CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH",
2002 ControllerInvalidMaster "CONTROLLER_INVALID_MASTER",
2003 ControllerInvalidReplicas "CONTROLLER_INVALID_REPLICAS",
2004 ControllerMasterNotAvailable "CONTROLLER_MASTER_NOT_AVAILABLE",
2005 ControllerInvalidRequest "CONTROLLER_INVALID_REQUEST",
2006 ControllerBrokerNotAlive "CONTROLLER_BROKER_NOT_ALIVE",
2007 ControllerNotLeader "CONTROLLER_NOT_LEADER",
2008 ControllerBrokerMetadataNotExist "CONTROLLER_BROKER_METADATA_NOT_EXIST",
2009 ControllerInvalidCleanBrokerMetadata "CONTROLLER_INVALID_CLEAN_BROKER_METADATA",
2010 ControllerBrokerNeedToBeRegistered "CONTROLLER_BROKER_NEED_TO_BE_REGISTERED",
2011 ControllerMasterStillExist "CONTROLLER_MASTER_STILL_EXIST",
2012 ControllerElectMasterFailed "CONTROLLER_ELECT_MASTER_FAILED",
2013 ControllerAlterSyncStateSetFailed "CONTROLLER_ALTER_SYNC_STATE_SET_FAILED",
2014 ControllerBrokerIdInvalid "CONTROLLER_BROKER_ID_INVALID",
2015 ControllerJraftInternalError "CONTROLLER_JRAFT_INTERNAL_ERROR",
2016 ControllerBrokerLiveInfoNotExists "CONTROLLER_BROKER_LIVE_INFO_NOT_EXISTS",
2017 LmqQuotaExceeded "LMQ_QUOTA_EXCEEDED",
2018 LiteSubscriptionQuotaExceeded "LITE_SUBSCRIPTION_QUOTA_EXCEEDED",
3001 UserNotExist "USER_NOT_EXIST",
3002 PolicyNotExist "POLICY_NOT_EXIST",}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_agrees_with_itself() {
        for pair in RESPONSE_CODES.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{} and {}", pair[0], pair[1]);
        }
        for code in RESPONSE_CODES {
            assert_eq!(ResponseCode::from_number(code.number()), Some(*code));
            assert_eq!(format!("{code:?}").to_uppercase(), code.name().replace('_', ""));
            assert!(i16::try_from(code.number()).is_ok(), "{code} must fit a binary header");
        }
        assert_eq!(ResponseCode::from_number(5), None);
        assert_eq!(ResponseCode::TopicNotExist.to_string(), "TOPIC_NOT_EXIST(17)");
    }
}
