//! Threads on the cores they were given, and woken when they asked to be.

/// `1,2` or `1-3,8`.
pub fn parse(text: &str) -> Result<Vec<usize>, String> {
    let bad = || format!("'{text}' names no cores; write 1,2 or 1-3,8");
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
        if first > last || last >= 4096 {
            return Err(bad());
        }
        cores.extend(first..=last);
    }
    Ok(cores)
}

/// Threads take the cores in turn.
pub fn of_thread(cores: &[usize], thread: usize) -> Option<usize> {
    if cores.is_empty() { None } else { Some(cores[thread % cores.len()]) }
}

/// For the calling thread. Waits shall end on time too: Linux may make them 50 microseconds longer unless told.
pub fn settle(core: Option<usize>) -> Result<(), String> {
    // SAFETY: this option takes one number and concerns the calling thread only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    match core {
        Some(core) if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) => {
            Err(format!("cannot run on core {core}: this machine or container does not give it; name others with --cores"))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_lists_and_ranges() {
        assert_eq!(parse("1"), Ok(vec![1]));
        assert_eq!(parse("1,2"), Ok(vec![1, 2]));
        assert_eq!(parse("1-3,8"), Ok(vec![1, 2, 3, 8]));
        for text in ["", "a", "3-1", "1,", "0-9999"] {
            assert!(parse(text).unwrap_err().contains("write 1,2 or 1-3,8"));
        }
        assert_eq!((of_thread(&[4, 6], 3), of_thread(&[], 3)), (Some(6), None));
    }
}
