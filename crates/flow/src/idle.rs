//! Who has been idle longest: an order of slots, changed in constant time.

/// A ring of links through the slots; `OUTSIDE` stands for its one place that is no slot.
#[derive(Clone, Debug)]
pub(crate) struct IdleOrder {
    /// Of each slot, and last of the outside: the slot idle longer, and the one idle shorter.
    links: Vec<Link>,
    /// The slot idle longest, and the one touched last.
    outside: Link,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    longer: usize,
    shorter: usize,
}

const OUTSIDE: usize = usize::MAX;

impl Default for IdleOrder {
    fn default() -> IdleOrder {
        IdleOrder { links: Vec::new(), outside: Link { longer: OUTSIDE, shorter: OUTSIDE } }
    }
}

impl IdleOrder {
    /// The next slot joins, as the one touched last.
    pub(crate) fn join(&mut self) {
        let slot = self.links.len();
        self.links.push(Link { longer: OUTSIDE, shorter: OUTSIDE });
        self.link_last(slot);
    }

    /// `slot` is not idle.
    pub(crate) fn touch(&mut self, slot: usize) {
        if self.outside.longer == slot {
            return;
        }
        let Link { longer, shorter } = self.links[slot];
        self.link(longer).shorter = shorter;
        self.link(shorter).longer = longer;
        self.link_last(slot);
    }

    /// The slot that was not touched for the longest time.
    pub(crate) fn longest(&self) -> Option<usize> {
        Some(self.outside.shorter).filter(|&slot| slot != OUTSIDE)
    }

    fn link_last(&mut self, slot: usize) {
        let before = self.outside.longer;
        self.links[slot] = Link { longer: before, shorter: OUTSIDE };
        self.link(before).shorter = slot;
        self.outside.longer = slot;
    }

    fn link(&mut self, slot: usize) -> &mut Link {
        if slot == OUTSIDE { &mut self.outside } else { &mut self.links[slot] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_orders_like_a_list(touches in prop::collection::vec(0usize..6, 0..60)) {
            let mut order = IdleOrder::default();
            prop_assert_eq!(order.longest(), None);
            let mut list: Vec<usize> = (0..6).collect();
            (0..6).for_each(|_| order.join());
            for slot in touches {
                order.touch(slot);
                list.retain(|other| *other != slot);
                list.push(slot);
                prop_assert_eq!(order.longest(), list.first().copied());
            }
        }
    }
}
