//! Sockets that have to do with a fault: a few of each sort are kept, all are counted, and who has them is told as far as
//! it could be seen.

use std::collections::HashSet;

use wire::socket_row::{Kind, Owner, SocketRow, SocketState};
use wire::{Address, visible};

use crate::problem::Fact;
use crate::words::list;

/// As many of a sort are kept.
const MOST: usize = 8;
/// As many processes are named; further ones are counted.
const MOST_NAMED: usize = 3;

/// Sockets by sort.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sockets {
    /// Those that take whoever comes: listeners, and sockets of datagrams that are not connected.
    pub open: Group,
    /// Those that have the address, and neither listen nor are connected. Linux tells of TCP's since 6.8.
    pub bound: Group,
    /// Connections, and connected sockets of datagrams.
    pub connected: Group,
    /// Connections in TIME_WAIT; the one that stays longest is the first.
    pub over: Group,
    /// How far it was seen who has them.
    pub sight: Sight,
    /// The user that this process runs as.
    pub own_uid: Option<u32>,
}

/// How far it was seen who has sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// Not all processes were looked through.
    #[default]
    Cut,
    /// Some may not be looked into, others' as a rule.
    Partial,
    /// Every process that there is here.
    Whole,
}

/// Sockets of one sort.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// How many there are.
    pub count: u64,
    /// Some of them.
    pub kept: Vec<Holder>,
}

/// A socket, and who has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holder {
    /// The socket.
    pub row: SocketRow,
    /// Whose it is, by name or number.
    pub user: Option<String>,
    /// The processes that have it, as far as they can be seen.
    pub owners: Vec<Owner>,
}

impl Sockets {
    /// Takes note of a socket; `is_nearest`: it is kept before others.
    pub fn see(&mut self, row: SocketRow, is_nearest: bool) {
        let is_stream = matches!(row.kind, Kind::Tcp | Kind::UnixStream | Kind::UnixSeqpacket);
        let group = match row.state {
            SocketState::LISTEN => &mut self.open,
            SocketState::CLOSED if !is_stream => &mut self.open,
            SocketState::CLOSED | SocketState::BOUND_INACTIVE => &mut self.bound,
            SocketState::TIME_WAIT => {
                let is_longest =
                    self.over.first().is_none_or(|first| expires_ms(&first.row) < expires_ms(&row));
                return self.over.see(row, is_longest);
            }
            _ => &mut self.connected,
        };
        group.see(row, is_nearest);
    }

    /// The inodes of those that are kept: a process that has one of them has it.
    pub fn inodes(&self) -> HashSet<u64> {
        self.kept().map(|holder| holder.row.inode).filter(|inode| *inode != 0).collect()
    }

    /// Fills in who has those that are kept.
    pub fn name(&mut self, owners: impl Fn(u64) -> Vec<Owner>, user: impl Fn(u32) -> Option<String>) {
        for group in [&mut self.open, &mut self.bound, &mut self.connected, &mut self.over] {
            for holder in &mut group.kept {
                holder.owners = owners(holder.row.inode);
                holder.user = holder.row.uid.map(|uid| user(uid).unwrap_or_else(|| uid.to_string()));
            }
        }
    }

    fn kept(&self) -> impl Iterator<Item = &Holder> {
        [&self.open, &self.bound, &self.connected, &self.over].into_iter().flat_map(|group| &group.kept)
    }

    /// Every one that is kept as a fact, and how many more there are.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.kept().map(|holder| self.fact(holder)).collect();
        let groups = [&self.open, &self.bound, &self.connected, &self.over];
        let more: u64 = groups.iter().map(|group| group.count - group.kept.len() as u64).sum();
        if more > 0 {
            facts.push(Fact { text: format!("{more} more are not listed"), socket: None });
        }
        facts
    }

    fn fact(&self, holder: &Holder) -> Fact {
        let row = &holder.row;
        let with = match has_other_end(row) {
            true => format!(" with {}", row.remote),
            false => String::new(),
        };
        let left = row.timer.filter(|_| row.state == SocketState::TIME_WAIT);
        let left = left.map_or_else(String::new, |timer| {
            format!(", for {} more", crate::words::seconds_left(timer.expires_ms))
        });
        let text = format!(
            "{} {}{with} is in {}{left}, {}",
            row.kind.transport(),
            row.local,
            row.state.name(row.kind),
            self.whose(holder)
        );
        Fact { text, socket: Some(Box::new(holder.clone())) }
    }

    /// Who has a socket: `process 812 (python3)`, `processes 812 (nginx) and 813 (nginx), user www-data`, `a process of user
    /// root that cannot be seen from here`, `no process`.
    pub(crate) fn whose(&self, holder: &Holder) -> String {
        let user = holder.user.as_deref().map(|user| visible(user, false));
        if holder.row.inode == 0 {
            return "no process".to_owned();
        }
        let mut seen = HashSet::new();
        let owners: Vec<&Owner> = holder.owners.iter().filter(|owner| seen.insert(owner.pid)).collect();
        if owners.is_empty() {
            let of_user = user.map_or_else(String::new, |user| format!(" of user {user}"));
            return match self.sight {
                Sight::Cut => format!("a process{of_user}"),
                Sight::Partial => format!("a process{of_user} that cannot be seen from here"),
                // Sockets of the kernel's own have no process; another container's processes are not in this /proc.
                Sight::Whole => format!("the kernel itself or a process{of_user} of another container"),
            };
        }
        let named = |owner: &&Owner| format!("{} ({})", owner.pid, visible(&owner.name, false));
        let mut words: Vec<String> = owners.iter().take(MOST_NAMED).map(named).collect();
        if owners.len() > MOST_NAMED {
            words.push(format!("{} more", owners.len() - MOST_NAMED));
        }
        let processes = if owners.len() == 1 { "process" } else { "processes" };
        let is_strangers =
            self.own_uid.is_some() && holder.row.uid.is_some() && self.own_uid != holder.row.uid;
        let of_user =
            user.filter(|_| is_strangers).map_or_else(String::new, |user| format!(" of user {user}"));
        format!("{processes} {}{of_user}", list(&words).unwrap_or_default())
    }
}

impl Group {
    fn see(&mut self, row: SocketRow, is_first: bool) {
        self.count += 1;
        let holder = Holder { row, ..Holder::default() };
        if is_first {
            self.kept.insert(0, holder);
            self.kept.truncate(MOST);
        } else if self.kept.len() < MOST {
            self.kept.push(holder);
        }
    }

    /// The one that matters most; none where there is none.
    pub fn first(&self) -> Option<&Holder> {
        self.kept.first()
    }
}

/// How long its timer has still to go, in milliseconds.
pub(crate) fn expires_ms(row: &SocketRow) -> u32 {
    row.timer.map_or(0, |timer| timer.expires_ms)
}

/// Whether it is connected to somebody who has an address.
pub(crate) fn has_other_end(row: &SocketRow) -> bool {
    match &row.remote {
        Address::Internet(remote) => remote.port() != 0,
        Address::Unnamed => false,
        Address::Path(_) | Address::Abstract(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use wire::socket_row::{Timer, TimerKind};

    use super::*;

    fn row(state: SocketState, inode: u64) -> SocketRow {
        SocketRow { state, inode, uid: Some(1000), ..SocketRow::default() }
    }

    fn time_wait(expires_ms: u32) -> SocketRow {
        let timer = Timer { kind: TimerKind::TimeWait, expires_ms, retransmits: 0 };
        SocketRow { timer: Some(timer), ..row(SocketState::TIME_WAIT, 0) }
    }

    #[test]
    fn all_are_counted_few_are_kept_and_the_longest_wait_is_the_first() {
        let mut sockets = Sockets::default();
        (1..=60_000).for_each(|ms| sockets.see(time_wait((ms * 7919) % 60_000), false));
        assert_eq!((sockets.over.count, sockets.over.kept.len()), (60_000, MOST));
        assert_eq!(expires_ms(&sockets.over.kept[0].row), 59_999);
        assert_eq!(sockets.facts().last().unwrap().text, "59992 more are not listed");
    }

    #[test]
    fn sorts_are_told_apart_by_state_and_transport() {
        let mut sockets = Sockets::default();
        sockets.see(row(SocketState::LISTEN, 1), false);
        sockets.see(row(SocketState::LISTEN, 2), true);
        sockets.see(SocketRow { kind: Kind::Udp, ..row(SocketState::CLOSED, 3) }, false);
        sockets.see(row(SocketState::BOUND_INACTIVE, 4), false);
        sockets.see(row(SocketState::CLOSED, 5), false);
        sockets.see(row(SocketState::CLOSE_WAIT, 6), false);
        let inodes = |group: &Group| group.kept.iter().map(|holder| holder.row.inode).collect::<Vec<u64>>();
        assert_eq!(inodes(&sockets.open), [2, 1, 3]);
        assert_eq!((inodes(&sockets.bound), inodes(&sockets.connected)), (vec![4, 5], vec![6]));
        assert_eq!(sockets.inodes(), HashSet::from([1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn who_has_a_socket_is_told_as_far_as_it_is_seen() {
        let mut sockets = Sockets { sight: Sight::Partial, own_uid: Some(1000), ..Sockets::default() };
        let owner = |pid, name: &str| Owner { pid, fd: 3, name: name.to_owned() };
        let mut holder = Holder { row: row(SocketState::LISTEN, 9), ..Holder::default() };
        assert_eq!(sockets.whose(&holder), "a process that cannot be seen from here");
        holder.user = Some("ann".to_owned());
        assert_eq!(sockets.whose(&holder), "a process of user ann that cannot be seen from here");
        sockets.sight = Sight::Cut;
        assert_eq!(sockets.whose(&holder), "a process of user ann", "nobody may say that it cannot be seen");
        sockets.sight = Sight::Whole;
        assert_eq!(sockets.whose(&holder), "the kernel itself or a process of user ann of another container");
        holder.owners = vec![owner(7, "a\u{1b}[2J"), owner(7, "a\u{1b}[2J")];
        assert_eq!(sockets.whose(&holder), "process 7 (a\\u{1b}[2J)", "once, and harmless");
        holder.owners = (1..=5).map(|pid| owner(pid, "sh")).collect();
        sockets.own_uid = Some(0);
        assert_eq!(sockets.whose(&holder), "processes 1 (sh), 2 (sh), 3 (sh) and 2 more of user ann");
        holder.row.inode = 0;
        assert_eq!(sockets.whose(&holder), "no process");
    }
}
