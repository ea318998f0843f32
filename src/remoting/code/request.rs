//! Request codes: what a frame asks for. One table gives each its number, its name and the releases that know it.
//!
//! The whole of RocketMQ's codes is here, also those that this node does not serve: it says their names when it refuses
//! them, and a dispatch that matches on `RequestCode` fails to compile until a new one is decided about.
//! Numbers and names: remoting-protocol.md §3.1 and §9, checked against the Java trees.
//!
//! Binary headers carry 16 bits of a code: those from 32768 on travel in JSON only (see `writer`).

use std::fmt;

/// Which releases of Apache RocketMQ have a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Releases {
    /// 4.9 and 5.x.
    Both,
    /// ACL 1.0 administration, gone in 5.x.
    Only4,
    Since5,
    /// Newer than the 5.3 that this node answers like.
    Since54,
    /// It has a number, but no release ever served it.
    Unused,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct RequestCodeRow {
    pub code: RequestCode,
    pub number: i32,
    pub name: &'static str,
    pub releases: Releases,
}

macro_rules! request_codes {
    ($($number:literal $variant:ident $name:literal $releases:ident,)*) => {
        /// A request code. Its discriminant is the number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RequestCode {
            $($variant = $number,)*
        }

        /// All request codes, by number.
        pub const REQUEST_CODES: &[RequestCodeRow] = &[
            $(RequestCodeRow {
                code: RequestCode::$variant,
                number: $number,
                name: $name,
                releases: Releases::$releases,
            },)*
        ];

        impl RequestCode {
            pub fn from_number(number: i32) -> Option<RequestCode> {
                match number {
                    $($number => Some(RequestCode::$variant),)*
                    _ => None,
                }
            }

            /// As in the Java class `RequestCode`.
            pub fn name(self) -> &'static str {
                match self {
                    $(RequestCode::$variant => $name,)*
                }
            }

            pub fn releases(self) -> Releases {
                match self {
                    $(RequestCode::$variant => Releases::$releases,)*
                }
            }
        }
    };
}

impl RequestCode {
    pub fn number(self) -> i32 {
        self as i32
    }
}

/// `SEND_MESSAGE(10)`
impl fmt::Display for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.number())
    }
}

request_codes! {
10 SendMessage "SEND_MESSAGE" Both,
11 PullMessage "PULL_MESSAGE" Both,
12 QueryMessage "QUERY_MESSAGE" Both,
13 QueryBrokerOffset "QUERY_BROKER_OFFSET" Unused,
14 QueryConsumerOffset "QUERY_CONSUMER_OFFSET" Both,
15 UpdateConsumerOffset "UPDATE_CONSUMER_OFFSET" Both,
17 UpdateAndCreateTopic "UPDATE_AND_CREATE_TOPIC" Both,
18 UpdateAndCreateTopicList "UPDATE_AND_CREATE_TOPIC_LIST" Since5,
21 GetAllTopicConfig "GET_ALL_TOPIC_CONFIG" Both,
22 GetTopicConfigList "GET_TOPIC_CONFIG_LIST" Unused,
23 GetTopicNameList "GET_TOPIC_NAME_LIST" Unused,
25 UpdateBrokerConfig "UPDATE_BROKER_CONFIG" Both,
26 GetBrokerConfig "GET_BROKER_CONFIG" Both,
27 TriggerDeleteFiles "TRIGGER_DELETE_FILES" Unused,
28 GetBrokerRuntimeInfo "GET_BROKER_RUNTIME_INFO" Both,
29 SearchOffsetByTimestamp "SEARCH_OFFSET_BY_TIMESTAMP" Both,
30 GetMaxOffset "GET_MAX_OFFSET" Both,
31 GetMinOffset "GET_MIN_OFFSET" Both,
32 GetEarliestMsgStoretime "GET_EARLIEST_MSG_STORETIME" Both,
33 ViewMessageById "VIEW_MESSAGE_BY_ID" Both,
34 HeartBeat "HEART_BEAT" Both,
35 UnregisterClient "UNREGISTER_CLIENT" Both,
36 ConsumerSendMsgBack "CONSUMER_SEND_MSG_BACK" Both,
37 EndTransaction "END_TRANSACTION" Both,
38 GetConsumerListByGroup "GET_CONSUMER_LIST_BY_GROUP" Both,
39 CheckTransactionState "CHECK_TRANSACTION_STATE" Both,
40 NotifyConsumerIdsChanged "NOTIFY_CONSUMER_IDS_CHANGED" Both,
41 LockBatchMq "LOCK_BATCH_MQ" Both,
42 UnlockBatchMq "UNLOCK_BATCH_MQ" Both,
43 GetAllConsumerOffset "GET_ALL_CONSUMER_OFFSET" Both,
45 GetAllDelayOffset "GET_ALL_DELAY_OFFSET" Both,
46 CheckClientConfig "CHECK_CLIENT_CONFIG" Both,
47 GetClientConfig "GET_CLIENT_CONFIG" Unused,
50 UpdateAndCreateAclConfig "UPDATE_AND_CREATE_ACL_CONFIG" Only4,
51 DeleteAclConfig "DELETE_ACL_CONFIG" Only4,
52 GetBrokerClusterAclInfo "GET_BROKER_CLUSTER_ACL_INFO" Only4,
53 UpdateGlobalWhiteAddrsConfig "UPDATE_GLOBAL_WHITE_ADDRS_CONFIG" Only4,
54 GetBrokerClusterAclConfig "GET_BROKER_CLUSTER_ACL_CONFIG" Only4,
60 GetTimerCheckPoint "GET_TIMER_CHECK_POINT" Since5,
61 GetTimerMetrics "GET_TIMER_METRICS" Since5,
100 PutKvConfig "PUT_KV_CONFIG" Both,
101 GetKvConfig "GET_KV_CONFIG" Both,
102 DeleteKvConfig "DELETE_KV_CONFIG" Both,
103 RegisterBroker "REGISTER_BROKER" Both,
104 UnregisterBroker "UNREGISTER_BROKER" Both,
105 GetRouteinfoByTopic "GET_ROUTEINFO_BY_TOPIC" Both,
106 GetBrokerClusterInfo "GET_BROKER_CLUSTER_INFO" Both,
200 UpdateAndCreateSubscriptiongroup "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP" Both,
201 GetAllSubscriptiongroupConfig "GET_ALL_SUBSCRIPTIONGROUP_CONFIG" Both,
202 GetTopicStatsInfo "GET_TOPIC_STATS_INFO" Both,
203 GetConsumerConnectionList "GET_CONSUMER_CONNECTION_LIST" Both,
204 GetProducerConnectionList "GET_PRODUCER_CONNECTION_LIST" Both,
205 WipeWritePermOfBroker "WIPE_WRITE_PERM_OF_BROKER" Both,
206 GetAllTopicListFromNameserver "GET_ALL_TOPIC_LIST_FROM_NAMESERVER" Both,
207 DeleteSubscriptiongroup "DELETE_SUBSCRIPTIONGROUP" Both,
208 GetConsumeStats "GET_CONSUME_STATS" Both,
209 SuspendConsumer "SUSPEND_CONSUMER" Unused,
210 ResumeConsumer "RESUME_CONSUMER" Unused,
211 ResetConsumerOffsetInConsumer "RESET_CONSUMER_OFFSET_IN_CONSUMER" Unused,
212 ResetConsumerOffsetInBroker "RESET_CONSUMER_OFFSET_IN_BROKER" Unused,
213 AdjustConsumerThreadPool "ADJUST_CONSUMER_THREAD_POOL" Unused,
214 WhoConsumeTheMessage "WHO_CONSUME_THE_MESSAGE" Unused,
215 DeleteTopicInBroker "DELETE_TOPIC_IN_BROKER" Both,
216 DeleteTopicInNamesrv "DELETE_TOPIC_IN_NAMESRV" Both,
217 RegisterTopicInNamesrv "REGISTER_TOPIC_IN_NAMESRV" Since5,
219 GetKvlistByNamespace "GET_KVLIST_BY_NAMESPACE" Both,
220 ResetConsumerClientOffset "RESET_CONSUMER_CLIENT_OFFSET" Both,
221 GetConsumerStatusFromClient "GET_CONSUMER_STATUS_FROM_CLIENT" Both,
222 InvokeBrokerToResetOffset "INVOKE_BROKER_TO_RESET_OFFSET" Both,
223 InvokeBrokerToGetConsumerStatus "INVOKE_BROKER_TO_GET_CONSUMER_STATUS" Both,
224 GetTopicsByCluster "GET_TOPICS_BY_CLUSTER" Both,
225 UpdateAndCreateSubscriptiongroupList "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST" Since5,
300 QueryTopicConsumeByWho "QUERY_TOPIC_CONSUME_BY_WHO" Both,
301 RegisterFilterServer "REGISTER_FILTER_SERVER" Unused,
302 RegisterMessageFilterClass "REGISTER_MESSAGE_FILTER_CLASS" Unused,
303 QueryConsumeTimeSpan "QUERY_CONSUME_TIME_SPAN" Both,
304 GetSystemTopicListFromNs "GET_SYSTEM_TOPIC_LIST_FROM_NS" Both,
305 GetSystemTopicListFromBroker "GET_SYSTEM_TOPIC_LIST_FROM_BROKER" Both,
306 CleanExpiredConsumequeue "CLEAN_EXPIRED_CONSUMEQUEUE" Both,
307 GetConsumerRunningInfo "GET_CONSUMER_RUNNING_INFO" Both,
308 QueryCorrectionOffset "QUERY_CORRECTION_OFFSET" Both,
309 ConsumeMessageDirectly "CONSUME_MESSAGE_DIRECTLY" Both,
310 SendMessageV2 "SEND_MESSAGE_V2" Both,
311 GetUnitTopicList "GET_UNIT_TOPIC_LIST" Both,
312 GetHasUnitSubTopicList "GET_HAS_UNIT_SUB_TOPIC_LIST" Both,
313 GetHasUnitSubUnunitTopicList "GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST" Both,
314 CloneGroupOffset "CLONE_GROUP_OFFSET" Both,
315 ViewBrokerStatsData "VIEW_BROKER_STATS_DATA" Both,
316 CleanUnusedTopic "CLEAN_UNUSED_TOPIC" Both,
317 GetBrokerConsumeStats "GET_BROKER_CONSUME_STATS" Both,
318 UpdateNamesrvConfig "UPDATE_NAMESRV_CONFIG" Both,
319 GetNamesrvConfig "GET_NAMESRV_CONFIG" Both,
320 SendBatchMessage "SEND_BATCH_MESSAGE" Both,
321 QueryConsumeQueue "QUERY_CONSUME_QUEUE" Both,
322 QueryDataVersion "QUERY_DATA_VERSION" Both,
323 ResumeCheckHalfMessage "RESUME_CHECK_HALF_MESSAGE" Both,
324 SendReplyMessage "SEND_REPLY_MESSAGE" Both,
325 SendReplyMessageV2 "SEND_REPLY_MESSAGE_V2" Both,
326 PushReplyMessageToClient "PUSH_REPLY_MESSAGE_TO_CLIENT" Both,
327 AddWritePermOfBroker "ADD_WRITE_PERM_OF_BROKER" Both,
328 GetAllProducerInfo "GET_ALL_PRODUCER_INFO" Both,
329 DeleteExpiredCommitlog "DELETE_EXPIRED_COMMITLOG" Both,
343 QueryTopicsByConsumer "QUERY_TOPICS_BY_CONSUMER" Since5,
345 QuerySubscriptionByConsumer "QUERY_SUBSCRIPTION_BY_CONSUMER" Since5,
351 GetTopicConfig "GET_TOPIC_CONFIG" Since5,
352 GetSubscriptiongroupConfig "GET_SUBSCRIPTIONGROUP_CONFIG" Since5,
353 UpdateAndGetGroupForbidden "UPDATE_AND_GET_GROUP_FORBIDDEN" Since5,
354 CheckRocksdbCqWriteProgress "CHECK_ROCKSDB_CQ_WRITE_PROGRESS" Since5,
355 ExportRocksdbConfigToJson "EXPORT_ROCKSDB_CONFIG_TO_JSON" Since5,
361 LitePullMessage "LITE_PULL_MESSAGE" Since5,
370 RecallMessage "RECALL_MESSAGE" Since5,
400 QueryAssignment "QUERY_ASSIGNMENT" Since5,
401 SetMessageRequestMode "SET_MESSAGE_REQUEST_MODE" Since5,
402 GetAllMessageRequestMode "GET_ALL_MESSAGE_REQUEST_MODE" Since5,
513 UpdateAndCreateStaticTopic "UPDATE_AND_CREATE_STATIC_TOPIC" Since5,
901 GetBrokerMemberGroup "GET_BROKER_MEMBER_GROUP" Since5,
902 AddBroker "ADD_BROKER" Since5,
903 RemoveBroker "REMOVE_BROKER" Since5,
904 BrokerHeartbeat "BROKER_HEARTBEAT" Since5,
905 NotifyMinBrokerIdChange "NOTIFY_MIN_BROKER_ID_CHANGE" Since5,
906 ExchangeBrokerHaInfo "EXCHANGE_BROKER_HA_INFO" Since5,
907 GetBrokerHaStatus "GET_BROKER_HA_STATUS" Since5,
908 ResetMasterFlushOffset "RESET_MASTER_FLUSH_OFFSET" Since5,
1001 ControllerAlterSyncStateSet "CONTROLLER_ALTER_SYNC_STATE_SET" Since5,
1002 ControllerElectMaster "CONTROLLER_ELECT_MASTER" Since5,
1003 ControllerRegisterBroker "CONTROLLER_REGISTER_BROKER" Since5,
1004 ControllerGetReplicaInfo "CONTROLLER_GET_REPLICA_INFO" Since5,
1005 ControllerGetMetadataInfo "CONTROLLER_GET_METADATA_INFO" Since5,
1006 ControllerGetSyncStateData "CONTROLLER_GET_SYNC_STATE_DATA" Since5,
1007 GetBrokerEpochCache "GET_BROKER_EPOCH_CACHE" Since5,
1008 NotifyBrokerRoleChanged "NOTIFY_BROKER_ROLE_CHANGED" Since5,
1009 UpdateControllerConfig "UPDATE_CONTROLLER_CONFIG" Since5,
1010 GetControllerConfig "GET_CONTROLLER_CONFIG" Since5,
1011 CleanBrokerData "CLEAN_BROKER_DATA" Since5,
1012 ControllerGetNextBrokerId "CONTROLLER_GET_NEXT_BROKER_ID" Since5,
1013 ControllerApplyBrokerId "CONTROLLER_APPLY_BROKER_ID" Since5,
1014 BrokerCloseChannelRequest "BROKER_CLOSE_CHANNEL_REQUEST" Since5,
1015 CheckNotActiveBrokerRequest "CHECK_NOT_ACTIVE_BROKER_REQUEST" Since5,
1016 GetBrokerLiveInfoRequest "GET_BROKER_LIVE_INFO_REQUEST" Since5,
1017 GetSyncStateDataRequest "GET_SYNC_STATE_DATA_REQUEST" Since5,
1018 RaftBrokerHeartBeatEventRequest "RAFT_BROKER_HEART_BEAT_EVENT_REQUEST" Since5,
2001 UpdateColdDataFlowCtrConfig "UPDATE_COLD_DATA_FLOW_CTR_CONFIG" Since5,
2002 RemoveColdDataFlowCtrConfig "REMOVE_COLD_DATA_FLOW_CTR_CONFIG" Since5,
2003 GetColdDataFlowCtrInfo "GET_COLD_DATA_FLOW_CTR_INFO" Since5,
2004 SetCommitlogReadMode "SET_COMMITLOG_READ_MODE" Since5,
3001 AuthCreateUser "AUTH_CREATE_USER" Since5,
3002 AuthUpdateUser "AUTH_UPDATE_USER" Since5,
3003 AuthDeleteUser "AUTH_DELETE_USER" Since5,
3004 AuthGetUser "AUTH_GET_USER" Since5,
3005 AuthListUser "AUTH_LIST_USER" Since5,
3006 AuthCreateAcl "AUTH_CREATE_ACL" Since5,
3007 AuthUpdateAcl "AUTH_UPDATE_ACL" Since5,
3008 AuthDeleteAcl "AUTH_DELETE_ACL" Since5,
3009 AuthGetAcl "AUTH_GET_ACL" Since5,
3010 AuthListAcl "AUTH_LIST_ACL" Since5,
5001 SwitchTimerEngine "SWITCH_TIMER_ENGINE" Since54,
5002 DeleteTopicInBrokerList "DELETE_TOPIC_IN_BROKER_LIST" Since54,
5003 DeleteSubscriptionGroupList "DELETE_SUBSCRIPTION_GROUP_LIST" Since54,
200050 PopMessage "POP_MESSAGE" Since5,
200051 AckMessage "ACK_MESSAGE" Since5,
200052 PeekMessage "PEEK_MESSAGE" Since5,
200053 ChangeMessageInvisibletime "CHANGE_MESSAGE_INVISIBLETIME" Since5,
200054 Notification "NOTIFICATION" Since5,
200055 PollingInfo "POLLING_INFO" Since5,
200056 PopRollback "POP_ROLLBACK" Since5,
200070 PopLiteMessage "POP_LITE_MESSAGE" Since54,
200071 LiteSubscriptionCtl "LITE_SUBSCRIPTION_CTL" Since54,
200072 AckLiteMessage "ACK_LITE_MESSAGE" Since54,
200073 NotifyUnsubscribeLite "NOTIFY_UNSUBSCRIBE_LITE" Since54,
200074 GetBrokerLiteInfo "GET_BROKER_LITE_INFO" Since54,
200075 GetParentTopicInfo "GET_PARENT_TOPIC_INFO" Since54,
200076 GetLiteTopicInfo "GET_LITE_TOPIC_INFO" Since54,
200077 GetLiteClientInfo "GET_LITE_CLIENT_INFO" Since54,
200078 GetLiteGroupInfo "GET_LITE_GROUP_INFO" Since54,
200079 TriggerLiteDispatch "TRIGGER_LITE_DISPATCH" Since54,
200151 BatchAckMessage "BATCH_ACK_MESSAGE" Since5,}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_agrees_with_itself() {
        for pair in REQUEST_CODES.windows(2) {
            assert!(pair[0].number < pair[1].number, "{} and {}", pair[0].code, pair[1].code);
        }
        for row in REQUEST_CODES {
            assert_eq!(RequestCode::from_number(row.number), Some(row.code));
            assert_eq!((row.code.number(), row.code.name(), row.code.releases()), (row.number, row.name, row.releases));
            // The variant is the name in another case.
            let variant = format!("{:?}", row.code).to_uppercase();
            assert_eq!(variant, row.name.replace('_', ""));
        }
        assert_eq!(RequestCode::from_number(9), None);
        assert_eq!(RequestCode::from_number(-1), None);
    }

    #[test]
    fn the_documentation_has_the_table() {
        let documented = include_str!("../../../docs/protocol.md");
        let rows = documented.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code"));
        // The columns behind these say what is served: tests/protocol_table.rs.
        let rows = rows.map(|line| line.split_inclusive('|').take(4).collect::<String>());
        let expected = REQUEST_CODES.iter().map(|row| {
            let releases = match row.releases {
                Releases::Both => "4.9 and 5.x",
                Releases::Only4 => "4.9 only",
                Releases::Since5 => "5.x",
                Releases::Since54 => "5.4 and later",
                Releases::Unused => "none serves it",
            };
            format!("| {} | {} | {releases} |", row.number, row.name)
        });
        assert!(rows.eq(expected), "docs/protocol.md is not the table");
    }

    #[test]
    fn codes_say_their_names() {
        assert_eq!(RequestCode::SendMessageV2.to_string(), "SEND_MESSAGE_V2(310)");
        assert_eq!(RequestCode::PopMessage.number(), 200_050);
    }
}
