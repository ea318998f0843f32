//! Pages of the settings tables, as 5.3 and later clients ask for them.
//!
//! A page is cut from the table in name order. A client says the version that its first page had; when the table has
//! changed since, it begins again.
//!
//! Before: `broker::topic`, `broker::group`.

use ringmq_shards::data_version::DataVersion;

use crate::remoting::json::{self, Object};
use crate::remoting::request::topic_config::read_version;

/// The most that a page has, whatever is asked for.
const ROWS_MAX: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    begin: usize,
    rows: usize,
    version: Option<DataVersion>,
}

impl Page {
    /// `None`: everything at once, as clients want that send none of the fields.
    pub fn of(begin: Option<i32>, rows: Option<i32>, version: Option<&str>) -> Option<Page> {
        if begin.is_none() && rows.is_none() && version.is_none() {
            return None;
        }
        let version = version.and_then(|text| json::parse(text.as_bytes()).ok());
        Some(Page {
            begin: usize::try_from(begin.unwrap_or(0)).unwrap_or(0),
            rows: rows
                .and_then(|rows| usize::try_from(rows).ok())
                .filter(|rows| *rows > 0)
                .map_or(ROWS_MAX, |rows| rows.min(ROWS_MAX)),
            version: version.as_ref().and_then(Object::of).map(|object| read_version(&object)),
        })
    }

    pub fn cut<T>(page: Option<Page>, table: &[T], version: DataVersion) -> &[T] {
        let Some(page) = page else { return table };
        let is_other = page.version.is_some_and(|known| known != version);
        let begin = if is_other { 0 } else { page.begin.min(table.len()) };
        &table[begin..(begin + page.rows).min(table.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq_shards::types::Millis;

    #[test]
    fn pages_are_cut_from_one_version_of_the_table() {
        let version = DataVersion { state_version: 0, timestamp: Millis(7), counter: 2 };
        let table = [0, 1, 2, 3, 4];
        let cut = |begin, rows, text| Page::cut(Page::of(begin, rows, text), &table, version);
        let same = Some(r#"{"counter":2,"stateVersion":0,"timestamp":7}"#);
        let other = Some(r#"{"counter":1,"stateVersion":0,"timestamp":7}"#);
        assert_eq!(cut(None, None, None), table);
        assert_eq!(cut(Some(0), Some(2), None), [0, 1]);
        assert_eq!(cut(Some(3), Some(3), same), [3, 4]);
        assert_eq!(cut(Some(3), Some(3), other), [0, 1, 2]);
        assert_eq!(cut(Some(9), Some(3), same), [0; 0]);
        assert_eq!(cut(Some(-1), Some(-1), Some("nonsense")), table);
    }
}
