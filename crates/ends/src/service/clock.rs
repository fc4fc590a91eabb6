//! RFC 867 and RFC 868: what time it is, for people and for programs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Arrival, Client, Output, Service, Shape};

/// Tells the time: each connection once and then closed, each datagram with one. The clock is given: a service has none.
#[derive(Debug)]
pub struct TimeOfDay {
    name: &'static str,
    clock: fn() -> SystemTime,
    form: fn(Duration) -> Vec<u8>,
}

/// Seconds from the beginning of 1900 to that of 1970: RFC 868.
const SECONDS_BEFORE_1970: u64 = 2_208_988_800;

impl TimeOfDay {
    /// `daytime`: a line of text, in UTC.
    pub fn daytime(clock: fn() -> SystemTime) -> TimeOfDay {
        TimeOfDay { name: "daytime", clock, form: line }
    }

    /// `time`: 32 bits, big-endian: the seconds since 1900; they begin anew in 2036.
    pub fn time(clock: fn() -> SystemTime) -> TimeOfDay {
        TimeOfDay { name: "time", clock, form: seconds }
    }

    fn tell(&self, client: Client, output: &mut Output<'_>) {
        let since_1970 = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        output.to_owned(client, (self.form)(since_1970));
    }
}

impl Service for TimeOfDay {
    fn name(&self) -> &'static str {
        self.name
    }

    fn opened<'a>(&mut self, client: Client, shape: Shape, output: &mut Output<'a>) {
        if shape != Shape::Datagrams {
            self.tell(client, output);
            output.close(client);
        }
    }

    fn received<'a>(&mut self, client: Client, _: Arrival<'a>, output: &mut Output<'a>) {
        // Of a connection nothing is heard any more: it is closing. So this is a datagram.
        self.tell(client, output);
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }
}

fn seconds(since_1970: Duration) -> Vec<u8> {
    let since_1900 = since_1970.as_secs() + SECONDS_BEFORE_1970;
    ((since_1900 & u64::from(u32::MAX)) as u32).to_be_bytes().to_vec()
}

/// `Tuesday, November 24, 2026 17:00:00-UTC`: the form that RFC 867 gives as popular.
fn line(since_1970: Duration) -> Vec<u8> {
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (days, second) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let weekday = DAYS[(days % 7) as usize];
    let month = MONTHS[month];
    format!("{weekday}, {month} {day}, {year} {hour:02}:{minute:02}:{second:02}-UTC\r\n").into_bytes()
}

/// Year, month from 0, and day from 1 of a number of days since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, usize, u64) {
    const OF_400_YEARS: u64 = 146_097;
    let mut year = 1970 + days / OF_400_YEARS * 400;
    let mut left = days % OF_400_YEARS;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Action;

    /// The list of RFC 868.
    #[test]
    fn the_seconds_are_the_rfcs() {
        let at = |since_1970: u64| {
            u32::from_be_bytes(seconds(Duration::from_secs(since_1970)).try_into().expect("four bytes"))
        };
        assert_eq!(at(0), 2_208_988_800); // 1 Jan 1970
        assert_eq!(at(189_302_400), 2_398_291_200); // 1 Jan 1976
        assert_eq!(at(315_532_800), 2_524_521_600); // 1 Jan 1980
        assert_eq!(at(420_595_200), 2_629_584_000); // 1 May 1983
        assert_eq!(at(2_085_978_496), 0); // 2036: they begin anew
    }

    #[test]
    fn the_line_is_todays() {
        let at = |seconds: u64| String::from_utf8(line(Duration::from_secs(seconds))).expect("text");
        assert_eq!(at(0), "Thursday, January 1, 1970 00:00:00-UTC\r\n");
        assert_eq!(at(951_868_799), "Tuesday, February 29, 2000 23:59:59-UTC\r\n");
        assert_eq!(at(1_795_532_461), "Tuesday, November 24, 2026 15:01:01-UTC\r\n");
        assert_eq!(at(4_107_542_399), "Sunday, February 28, 2100 23:59:59-UTC\r\n");
        assert_eq!(at(4_107_542_400), "Monday, March 1, 2100 00:00:00-UTC\r\n");
    }

    #[test]
    fn a_connection_is_told_once_and_closed_and_each_datagram_is_answered() {
        let clock = || UNIX_EPOCH;
        let mut output = Output::new();
        TimeOfDay::time(clock).opened(Client(1), Shape::Stream, &mut output);
        let told = Action::SendOwned(Client(1), vec![0x83, 0xaa, 0x7e, 0x80]);
        assert_eq!(output.drain().collect::<Vec<_>>(), [told, Action::Close(Client(1))]);
        let mut output = Output::new();
        TimeOfDay::daytime(clock).opened(Client(2), Shape::Datagrams, &mut output);
        assert!(output.is_empty());
        TimeOfDay::daytime(clock).received(Client(2), Arrival::Bytes(b""), &mut output);
        assert_eq!(output.drain().count(), 1);
    }
}
