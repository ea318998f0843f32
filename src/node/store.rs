//! The store's folder: `store.meta`, and one folder for each shard.

use std::io;
use std::path::Path;

use ringmq_shards::log::StoreMeta;
use ringmq_shards::log::meta::{FILE_NAME, shard_dir};
use ringmq_shards::runtime::store_error::StoreError;
use ringmq_shards::runtime::{self, fs};
use ringmq_shards::types::ShardId;

use crate::config::NodeOptions;

/// The unit of writing: 4096 bytes suit every disk whose sectors are not larger.
const BLOCK_UNIT_MIN: u32 = 4096;

/// The store's description; made, with the folder, when there is none. Runs on the first core, before the others look.
pub async fn open_or_create(options: &NodeOptions) -> Result<StoreMeta, StoreError> {
    let path = options.data_dir.join(FILE_NAME);
    if fs::exists(&path) {
        let bytes = fs::read(&path).await.map_err(|error| StoreError::io(&path, "reading", &error))?;
        return StoreMeta::decode(&bytes).map_err(|bad| StoreError::new(&path, bad.to_string(), "nothing was changed"));
    }
    let meta = StoreMeta {
        shards: options.shards,
        routing: options.routing,
        block_unit: BLOCK_UNIT_MIN,
        segment_bytes: options.settings.segment_bytes.next_multiple_of(u64::from(BLOCK_UNIT_MIN)),
        store_id: runtime::random(),
        created: runtime::now(),
    };
    let made = async {
        fs::create_dir_all(&options.data_dir)?;
        for shard in 0..meta.shards {
            fs::create_dir_all(&shard_dir(&options.data_dir, ShardId(shard)))?;
        }
        fs::sync_dir(&options.data_dir).await?;
        sync_ancestors(&options.data_dir).await?;
        // Last: a store that has this file is whole.
        fs::write_durable(&path, meta.encode()).await
    };
    made.await.map_err(|error| StoreError::io(&path, "making the store", &error))?;
    Ok(meta)
}

/// Without this a power cut may take the new folder itself. All the way up, because a start that was killed may have made
/// any of them; a folder that may not be read was not made by us.
async fn sync_ancestors(data: &Path) -> io::Result<()> {
    for folder in data.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        match fs::sync_dir(folder).await {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
