//! A batch in several passes: as many images at once as are wanted and as memory has room for.

use crate::torch::{Tensor, cat};
use crate::{Error, Result, interrupt, notice};
use std::cell::Cell;

/// The most images that a network takes at once, as far as it is known: what does not fit in
/// memory halves it.
#[derive(Default)]
pub struct Room(Cell<Option<i64>>);

/// Rows of a batch that go through a network together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    first: i64,
    count: i64,
    /// Of the batch.
    n: i64,
}

impl Part {
    /// All of `n` images.
    pub fn whole(n: i64) -> Self {
        Part {
            first: 0,
            count: n,
            n,
        }
    }

    /// The places of the rows in the batch.
    pub fn rows(self) -> Vec<i64> {
        (self.first..self.first + self.count).collect()
    }

    /// These rows of a tensor that has a row for each image.
    pub fn of(self, all: &Tensor) -> Result<Tensor> {
        match self == Part::whole(self.n) {
            true => Ok(all.clone()),
            false => all.narrow(0, self.first, self.count),
        }
    }
}

impl Room {
    /// What `pass` gives for the parts of a batch of `n` images, put together: tensors with a row
    /// for each image. A part has at most `wanted` images; one that does not fit in memory is
    /// computed again in halves, so an image's row must not depend on the others of its part.
    ///
    /// # Errors
    /// `OutOfMemory` where a single image does not fit; whatever else `pass` raises.
    pub fn in_parts<const K: usize>(
        &self,
        n: i64,
        wanted: Option<i64>,
        pass: impl Fn(Part) -> Result<[Tensor; K]>,
    ) -> Result<[Tensor; K]> {
        let mut parts: Vec<[Tensor; K]> = Vec::new();
        let mut first = 0;
        while first < n || parts.is_empty() {
            interrupt::check()?;
            let count = even_share(n - first, [self.0.get(), wanted]);
            match pass(Part { first, count, n }) {
                Ok(part) => {
                    parts.push(part);
                    first += count;
                }
                Err(Error::OutOfMemory(lack)) if count > 1 => self.halve(count, &lack),
                Err(error) => return Err(error),
            }
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let mut joined = Vec::with_capacity(K);
        for column in 0..K {
            let column: Vec<Tensor> = parts.iter().map(|part| part[column].clone()).collect();
            joined.push(cat(&column, 0)?);
        }
        Ok(joined.try_into().expect("there are K columns"))
    }

    fn halve(&self, count: i64, lack: &str) {
        let half = count / 2;
        self.0.set(Some(half));
        notice::tell(&format!(
            "{count} images at once need more memory than there is ({lack}): it goes on with {half} \
             at once, and the result is the same"
        ));
    }
}

/// How many of `left` images come next: as few parts as the limits allow, of one size, since a
/// pass of a single image takes longer than its share of a larger one.
fn even_share(left: i64, limits: [Option<i64>; 2]) -> i64 {
    let most = limits.into_iter().flatten().min();
    match most {
        Some(most) if most < left => {
            let parts = (left + most - 1) / most;
            (left + parts - 1) / parts
        }
        _ => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn counted(n: i64) -> Result<Tensor> {
        let numbers: Vec<i64> = (0..n).collect();
        Tensor::from_i64(&numbers, &[n])
    }

    /// The sizes of the parts, where more than `fits` images are too many.
    fn sizes(room: &Room, n: i64, wanted: Option<i64>, fits: i64) -> Result<Vec<i64>> {
        let sizes = RefCell::new(Vec::new());
        let all = counted(n)?;
        let [joined, doubled] = room.in_parts(n, wanted, |part| {
            let rows = part.of(&all)?;
            if rows.shape()[0] > fits {
                return Err(Error::OutOfMemory("too many".into()));
            }
            sizes.borrow_mut().push(rows.shape()[0]);
            Ok([rows.clone(), rows.mul(2.0)?])
        })?;
        assert!(joined.equal(&all)? && doubled.equal(&all.mul(2.0)?)?);
        Ok(sizes.into_inner())
    }

    #[test]
    fn parts_are_of_one_size() -> Result<()> {
        let room = Room::default();
        assert_eq!(sizes(&room, 65, None, 100)?, [65]);
        assert_eq!(sizes(&room, 65, Some(64), 100)?, [33, 32]);
        assert_eq!(sizes(&room, 10, Some(4), 100)?, [4, 3, 3]);
        assert_eq!(sizes(&room, 4, Some(4), 100)?, [4]);
        assert_eq!(sizes(&room, 0, Some(4), 100)?, [0]);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_halved_and_said() -> Result<()> {
        let told = Rc::new(RefCell::new(Vec::new()));
        let listener = told.clone();
        notice::listen(move |text| listener.borrow_mut().push(text.to_owned()));
        let room = Room::default();
        // 10 at most are 7, 7 and 7.
        assert_eq!(sizes(&room, 21, None, 6)?, [3; 7]);
        assert_eq!(told.borrow().len(), 2);
        assert!(told.borrow()[1].starts_with("7 images at once"));
        assert!(told.borrow()[1].contains("(too many): it goes on with 3 at once"));
        // It is remembered.
        assert_eq!(sizes(&room, 7, Some(5), 6)?, [3, 2, 2]);
        assert_eq!(told.borrow().len(), 2);
        let error = sizes(&Room::default(), 3, None, 0).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory(_)));
        Ok(())
    }
}
