//! The queues against a model that keeps everything in plain vectors: appends, durability, sealing, retention, deletion of
//! topics, snapshots and restarts in random order, and every question compared.
