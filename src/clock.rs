//! Points in time, and the only place that reads the system's clock.
//!
//! Nothing outside the process can set the clock: a record whose time could be chosen would
//! prove nothing.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant as Moment};

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;

/// A point in time in UTC, to the millisecond; always written `2026-11-21T09:28:10.123Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

impl Timestamp {
    /// A point `unix_ms` milliseconds after 1970-01-01T00:00:00Z.
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms }
    }

    /// Milliseconds after 1970-01-01T00:00:00Z.
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The date in UTC as `(year, month)`, four and two digits.
    pub fn year_month(self) -> (String, String) {
        let text = self.to_string();
        (text[..4].to_owned(), text[5..7].to_owned())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = Instant::from_millisecond(self.unix_ms).unwrap_or(Instant::UNIX_EPOCH);
        let utc = instant.to_zoned(TimeZone::UTC);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            utc.year(),
            utc.month(),
            utc.day(),
            utc.hour(),
            utc.minute(),
            utc.second(),
            utc.millisecond()
        )
    }
}

impl FromStr for Timestamp {
    type Err = ();

    /// Takes exactly the form that `Display` writes, nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        let instant: Instant = text.parse().map_err(|_| ())?;
        let this = Self { unix_ms: instant.as_millisecond() };
        if this.to_string() == text { Ok(this) } else { Err(()) }
    }
}

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Timestamp {
    /// The time `days` of 24 hours before.
    pub fn days_before(self, days: u64) -> Self {
        let days = i64::try_from(days).unwrap_or(i64::MAX);
        Self { unix_ms: self.unix_ms.saturating_sub(days.saturating_mul(DAY_MS)) }
    }

    /// The day in UTC.
    pub fn day(self) -> Day {
        Day(self.to_string()[..10].to_owned())
    }
}

/// A day of the calendar; always written `2026-11-21`, so that texts sort like days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(String);

impl FromStr for Day {
    type Err = ();

    /// Takes exactly the form that `Display` writes, of a day that there is.
    fn from_str(text: &str) -> Result<Self, ()> {
        let date: jiff::civil::Date = text.parse().map_err(|_| ())?;
        let this = Self(format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()));
        if this.0 == text { Ok(this) } else { Err(()) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that knows what time it is.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(Instant::now().as_millisecond())
    }
}

/// Measures how long something takes, whatever happens to the system's clock meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Moment);

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self(Moment::now())
    }

    /// One that has measured so much already.
    pub fn resumed(elapsed: Duration) -> Self {
        let now = Moment::now();
        Self(now.checked_sub(elapsed).unwrap_or(now))
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Milliseconds since the start, with one digit behind the point.
    pub fn elapsed_ms(&self) -> f64 {
        (self.0.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
    }

    /// Whole milliseconds since the start.
    pub fn elapsed_whole_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let time = Timestamp::from_unix_ms(1_795_253_290_007);
        assert_eq!(time.to_string(), "2026-11-21T09:28:10.007Z");
        assert_eq!("2026-11-21T09:28:10.007Z".parse(), Ok(time));
        for other in ["2026-11-21T09:28:10Z", "2026-11-21T09:28:10.007+00:00", "2026-11-21", ""] {
            assert_eq!(other.parse::<Timestamp>(), Err(()), "{other}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let time: Timestamp = "2024-03-01T00:00:00.000Z".parse().unwrap();
        assert_eq!(time.days_before(1).to_string(), "2024-02-29T00:00:00.000Z");
        assert_eq!(time.day().to_string(), "2024-03-01");
        assert!("2024-02-29".parse::<Day>().unwrap() < time.day());
        for bad in ["2023-02-29", "2024-2-9", "20240229", "2024-02-29T00:00:00Z", "tomorrow", ""] {
            assert_eq!(bad.parse::<Day>(), Err(()), "{bad}");
        }
    }
}
