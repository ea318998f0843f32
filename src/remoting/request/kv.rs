//! A name server's key-value settings: 100 PUT_KV_CONFIG, 101 GET_KV_CONFIG, 102 DELETE_KV_CONFIG,
//! 219 GET_KVLIST_BY_NAMESPACE (its body: `broker::write_kv_table`).

fields! {
    /// 100. The name server has an answer of its own for each that is missing.
    pub struct PutKvConfig<'a> {
        namespace: Option<&'a str> = optional "namespace",
        key: Option<&'a str> = optional "key",
        value: Option<&'a str> = optional "value",
    }
}

fields! {
    /// 101
    pub struct GetKvConfig<'a> {
        namespace: Option<&'a str> = optional "namespace",
        key: Option<&'a str> = optional "key",
    }
}

fields! {
    /// Answers 101.
    pub struct GetKvConfigResponse<'a> {
        value: Option<&'a str> = optional "value",
    }
}

fields! {
    /// 102
    pub struct DeleteKvConfig<'a> {
        namespace: Option<&'a str> = optional "namespace",
        key: Option<&'a str> = optional "key",
    }
}

fields! {
    /// 219
    pub struct GetKvlistByNamespace<'a> {
        namespace: Option<&'a str> = optional "namespace",
    }
}
