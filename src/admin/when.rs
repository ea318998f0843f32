//! Times as people write and read them, in UTC: `--from 15m`, `--from '2026-11-03 08:00'`, and the time of a message.

/// Milliseconds since 1970 of an age (`90s`, `15m`, `2h`, `1d`), a time, or milliseconds themselves.
pub fn parse(text: &str, now: i64) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return (millis >= 0).then_some(millis);
    }
    age(text).map(|age| now - age).or_else(|| time(text))
}

/// `2026-11-03 08:00:00.123`
pub fn utc(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / HOUR, rest / MINUTE % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}", rest % 1000)
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn age(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1000,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        _ => return None,
    };
    text[..text.len() - 1].parse::<u32>().ok().map(|number| i64::from(number) * unit)
}

fn time(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = numbers(date, '-')?.try_into().ok()?;
    let mut clock = numbers(clock, ':')?;
    clock.resize(3, 0);
    let [hour, minute, second] = clock.try_into().ok()?;
    let legal = (1970..=9999).contains(&year) && hour < 24 && minute < 60 && second < 60;
    let days = days(year, month, day);
    (legal && civil(days) == (year, month, day)).then_some(days * DAY + hour * HOUR + minute * MINUTE + second * 1000)
}

fn numbers(text: &str, separator: char) -> Option<Vec<i64>> {
    text.split(separator).map(|part| part.parse::<u16>().ok().map(i64::from)).collect()
}

/// Days since 1970-01-01 of a Gregorian date. Years begin in March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The Gregorian date of a day since 1970-01-01: the inverse of `days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in ["1970-01-01 00:00:00.000", "2000-02-29 23:59:59.000", "2026-11-03 08:00:00.000", "2100-03-01 12:30:01.000"] {
            let millis = parse(text.strip_suffix(".000").unwrap(), 0).expect(text);
            assert_eq!(utc(millis), text);
        }
        assert_eq!(parse("2026-11-03T08:00Z", 0), Some(1_793_692_800_000));
        assert_eq!(parse("2026-11-03", 0), Some(1_793_664_000_000));
    }

    #[test]
    fn ages_and_milliseconds() {
        assert_eq!(parse("15m", 1_000_000), Some(100_000));
        assert_eq!(parse("2d", 0), Some(-172_800_000));
        assert_eq!(parse("1793692800123", 0), Some(1_793_692_800_123));
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", "m", "yesterday", "2026-02-30", "2026-13-01", "2026-01-01 24:00", "-5", "5é", "2026-01"] {
            assert_eq!(parse(text, 0), None, "{text}");
        }
    }
}
