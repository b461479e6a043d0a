//! Where a key may stand in the file of keys: five bytes of memory for each. Pure.
//!
//! It knows 30 bits of a hash, so it names candidates; whether one of them is the key, the file says. Among 10 million keys one
//! of a hundred that are not there has a candidate.

/// Numbers of one part: what three bytes can say. A look into each part costs about as much as a read of the file.
const PART: u64 = 1 << 24;

/// Lists in a part: at 10 million keys each has 600 entries, which a look halves ten times, and an addition moves.
const LISTS: usize = 1 << 14;

/// Keys that can be numbered: more than any disk for journals holds.
pub(crate) const NUMBERS_MAX: u64 = 1 << 40;

/// Which numbers a key may have.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// One for the first 2^24 numbers, one for the next, and so on.
    parts: Vec<Vec<List>>,
}

/// The entries of hashes that begin alike, in order: two bytes more of the hash, three of the number.
type List = Vec<[u8; 5]>;

impl Index {
    /// Adds a key that begins with these bits.
    pub(crate) fn insert(&mut self, beginning: u32, number: u64) {
        let (list, entry) = self.list_for(beginning, number);
        let value = value_of(&entry);
        let place = list.partition_point(|other| value_of(other) < value);
        list.insert(place, entry);
    }

    /// The list that takes this key, with room for it, and its entry.
    fn list_for(&mut self, beginning: u32, number: u64) -> (&mut List, [u8; 5]) {
        let (part, number) = ((number / PART) as usize, (number % PART) as u32);
        while self.parts.len() <= part {
            self.parts.push(vec![List::new(); LISTS]);
        }
        let list = &mut self.parts[part][list_of(beginning)];
        if list.len() == list.capacity() {
            // What a list doubles it would waste: memory is bounded for each key.
            list.reserve_exact(4 + list.len() / 8);
        }
        (list, entry_of(beginning, number))
    }

    /// The numbers that a key may have which begins with these bits, the largest first.
    pub(crate) fn candidates(&self, beginning: u32) -> impl Iterator<Item = u64> {
        let (first, last) = (entry_of(beginning, 0), entry_of(beginning, u32::MAX));
        let (first, last) = (value_of(&first), value_of(&last));
        let parts = self.parts.iter().enumerate().rev();
        parts.flat_map(move |(part, lists)| {
            let list = &lists[list_of(beginning)];
            let from = list.partition_point(|other| value_of(other) < first);
            let like = list[from..]
                .iter()
                .take_while(move |other| value_of(other) <= last);
            let numbers: Vec<u64> = like
                .map(|entry| part as u64 * PART + number_of(entry))
                .collect();
            numbers.into_iter().rev()
        })
    }

    /// Bytes that it holds.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let lists = self.parts.iter().flatten();
        lists
            .map(|list| size_of::<List>() + list.capacity() * size_of::<[u8; 5]>())
            .sum()
    }
}

/// An index that is filled and not asked yet: it puts its lists in order once, instead of with each key.
#[derive(Debug, Default)]
pub(crate) struct Loading(Index);

impl Loading {
    /// Adds a key that begins with these bits.
    pub(crate) fn push(&mut self, beginning: u32, number: u64) {
        let (list, entry) = self.0.list_for(beginning, number);
        list.push(entry);
    }

    pub(crate) fn finish(mut self) -> Index {
        let lists = self.0.parts.iter_mut().flatten();
        lists.for_each(|list| list.sort_unstable_by_key(value_of));
        self.0
    }
}

/// An entry as a number, which is compared quicker than bytes.
fn value_of(entry: &[u8; 5]) -> u64 {
    let [a, b, c, d, e] = *entry;
    u64::from_be_bytes([0, 0, 0, a, b, c, d, e])
}

fn list_of(beginning: u32) -> usize {
    beginning as usize % LISTS
}

fn entry_of(beginning: u32, number: u32) -> [u8; 5] {
    let [high, low, ..] = beginning.to_be_bytes();
    let [_, a, b, c] = number.to_be_bytes();
    [high, low, a, b, c]
}

fn number_of(entry: &[u8; 5]) -> u64 {
    let [_, _, a, b, c] = *entry;
    u64::from(u32::from_be_bytes([0, a, b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_added_is_among_the_candidates() {
        let mut index = Index::default();
        let mut random = fastrand::Rng::with_seed(1);
        let mut keys: Vec<(u32, u64)> =
            (0..20_000).map(|number| (random.u32(..), number)).collect();
        // Alike, and far apart.
        keys.extend([(7, PART - 1), (7, PART), (7, 3 * PART + 5)]);
        for (beginning, number) in &keys {
            index.insert(*beginning, *number);
        }
        let mut loading = Loading::default();
        keys.iter()
            .for_each(|(beginning, number)| loading.push(*beginning, *number));
        let loaded = loading.finish();
        assert!(
            loaded.parts == index.parts,
            "it is the same however it was filled"
        );
        for (beginning, number) in &keys {
            assert!(
                index
                    .candidates(*beginning)
                    .any(|candidate| candidate == *number)
            );
        }
        let alike: Vec<u64> = index.candidates(7).collect();
        assert_eq!(alike, [3 * PART + 5, PART, PART - 1], "the largest first");
        let others = (0..20_000).filter(|_| index.candidates(random.u32(..)).next().is_some());
        assert!(others.count() < 200);
    }

    #[test]
    fn ten_million_keys_take_less_than_64_mib() {
        let mut index = Index::default();
        let mut random = fastrand::Rng::with_seed(1);
        // A tenth of them, because the share that is spare does not hang on their number.
        let keys = 1_000_000;
        (0..keys).for_each(|number| index.insert(random.u32(..), number));
        let lists = LISTS * size_of::<List>();
        assert!(
            (index.bytes() - lists) * 10 + lists < 58 << 20,
            "{}",
            index.bytes()
        );
    }
}
