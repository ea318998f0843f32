//! What brokers tell name servers: 103 REGISTER_BROKER, 104 UNREGISTER_BROKER, 322 QUERY_DATA_VERSION,
//! 904 BROKER_HEARTBEAT, 901 GET_BROKER_MEMBER_GROUP. The bodies: `broker::registration` writes, `namesrv` reads.

fields! {
    /// 103
    pub struct RegisterBroker<'a> {
        broker_name: &'a str = required "brokerName",
        broker_addr: &'a str = required "brokerAddr",
        cluster_name: &'a str = required "clusterName",
        ha_server_addr: &'a str = default("") "haServerAddr",
        broker_id: i64 = required "brokerId",
        heartbeat_timeout_millis: Option<i64> = optional "heartbeatTimeoutMillis",
        enable_acting_master: Option<bool> = optional "enableActingMaster",
        compressed: bool = default(false) "compressed",
        /// 0: not computed.
        body_crc32: i32 = default(0) "bodyCrc32",
        zone_name: Option<&'a str> = optional "__ZONE_NAME",
    }
}

fields! {
    /// Answers 103: where the master is, for a slave.
    pub struct RegisterBrokerResponse<'a> {
        ha_server_addr: Option<&'a str> = optional "haServerAddr",
        master_addr: Option<&'a str> = optional "masterAddr",
    }
}

fields! {
    /// 104
    pub struct UnregisterBroker<'a> {
        broker_name: &'a str = required "brokerName",
        broker_addr: &'a str = required "brokerAddr",
        cluster_name: &'a str = required "clusterName",
        broker_id: i64 = required "brokerId",
    }
}

fields! {
    /// 322. The body is the broker's data version.
    pub struct QueryDataVersion<'a> {
        broker_name: &'a str = default("") "brokerName",
        broker_addr: &'a str = required "brokerAddr",
        cluster_name: &'a str = required "clusterName",
        broker_id: i64 = default(0) "brokerId",
    }
}

fields! {
    /// Answers 322; the body is the name server's data version, if it has one.
    pub struct QueryDataVersionResponse {
        changed: bool = required "changed",
    }
}

fields! {
    /// 904
    pub struct BrokerHeartbeat<'a> {
        cluster_name: &'a str = required "clusterName",
        broker_addr: &'a str = required "brokerAddr",
        broker_name: &'a str = default("") "brokerName",
        broker_id: Option<i64> = optional "brokerId",
        epoch: Option<i32> = optional "epoch",
        max_offset: Option<i64> = optional "maxOffset",
        confirm_offset: Option<i64> = optional "confirmOffset",
        /// Misspelled on the wire, unlike in 103.
        heartbeat_timeout_millis: Option<i64> = optional "heartbeatTimeoutMills",
        election_priority: Option<i32> = optional "electionPriority",
    }
}

fields! {
    /// 901
    pub struct GetBrokerMemberGroup<'a> {
        cluster_name: &'a str = required "clusterName",
        broker_name: &'a str = required "brokerName",
    }
}

/// Of a registration's body, as it is sent: Java's `UtilAll.crc32`, without the sign.
pub fn body_crc32(body: &[u8]) -> i32 {
    (crc32fast::hash(body) & 0x7fff_ffff) as i32
}
