//! Files that were cut, overwritten and mixed up on their way: each is read as before, read as
//! something else where its format cannot tell, or refused by name; what was cut is refused.
//!
//! `cargo test` damages some of each kind; `RHOBUST_DAMAGED=1000000` says how many pictures and how
//! many weight files instead, and a hundredth of that for each kind of array.

use super::alone;
use super::random::Random;
use rhobust::data::{Corruption, Dataset, DatasetOptions, decode_image};
use rhobust::files::Folder;
use rhobust::torch::{Tensor, safetensors};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

/// In the suite.
const SOME: usize = 4000;

type Read = Result<Vec<u8>, String>;
type Reader<'a> = Box<dyn Fn(&[u8]) -> Read + 'a>;

/// A kind of file, whole examples of it, and how one is read to bytes that tell it from others.
struct Format<'a> {
    name: &'static str,
    whole: Vec<Vec<u8>>,
    read: Reader<'a>,
    /// What an error says of a file that ends too early.
    cut_short: &'static [&'static str],
    /// Whether no damage in one place may go unseen, because the file has a hash of what is in it.
    /// In two places it can hit the hash's own name, too.
    sealed: bool,
}

/// What became of the files of a format.
#[derive(Default)]
struct Row {
    tries: usize,
    same: usize,
    other: usize,
    refused: usize,
    cut: usize,
    wrong: Vec<String>,
    errors: BTreeMap<String, usize>,
}

impl Format<'_> {
    fn damage(&self, times: usize) -> Row {
        let mut row = Row::default();
        let before: Vec<Read> = self.whole.iter().map(|it| (self.read)(it)).collect();
        assert!(
            before.iter().all(Result::is_ok),
            "{}: {before:?}",
            self.name
        );
        for number in 0_u64.. {
            if row.tries == times {
                break;
            }
            let random = &mut Random::new(number);
            let at = random.below(self.whole.len());
            let whole = &self.whole[at];
            let (damaged, damage) = damaged(random, whole);
            let cut = damage == Damage::Cut;
            if damaged == *whole {
                continue;
            }
            row.tries += 1;
            row.cut += usize::from(cut);
            let complaint = match catch_unwind(AssertUnwindSafe(|| (self.read)(&damaged))) {
                Err(_) => Some("a panic".to_owned()),
                Ok(Ok(read)) => {
                    let same = before[at].as_ref() == Ok(&read);
                    row.same += usize::from(same);
                    row.other += usize::from(!same);
                    let unseen = cut || self.sealed && !same && damage == Damage::InOnePlace;
                    unseen.then(|| format!("it was read, cut: {cut}, as before: {same}"))
                }
                Ok(Err(error)) => {
                    row.refused += 1;
                    let named = self.cut_short.iter().any(|it| error.contains(it));
                    let complaint = (cut && !named).then(|| error.clone());
                    // The numbers in a sentence make no other sentence.
                    let sentence: String =
                        error.chars().filter(|it| !it.is_ascii_digit()).collect();
                    *row.errors.entry(sentence).or_default() += 1;
                    complaint
                }
            };
            row.wrong
                .extend(complaint.map(|it| format!("{}, number {number}: {it}", self.name)));
        }
        row
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Damage {
    /// It ends too early.
    Cut,
    InOnePlace,
    InSeveral,
}

fn damaged(random: &mut Random, whole: &[u8]) -> (Vec<u8>, Damage) {
    let mut bytes = whole.to_vec();
    let length = bytes.len();
    let at = random.below(length);
    // Headers are short and say most.
    let at = if random.below(3) == 0 {
        at.min(random.below(128))
    } else {
        at
    };
    let many = 1 + random.below(8);
    let range = at..length.min(at + many);
    match random.below(8) {
        0 => {
            bytes.truncate(at);
            return (bytes, Damage::Cut);
        }
        1 => bytes[at] ^= 1 << random.below(8),
        2 => {
            for _ in 0..many {
                bytes[random.below(length)] ^= 1 << random.below(8);
            }
            return (bytes, Damage::InSeveral);
        }
        3 => bytes[range]
            .iter_mut()
            .for_each(|it| *it = random.below(256) as u8),
        4 => {
            let with = random.pick(&[0, 0xff, b'9', b'-', b'"']);
            bytes[range].fill(with);
        }
        5 => drop(bytes.drain(range)),
        6 => {
            let again = bytes[range].to_vec();
            bytes.splice(at..at, again);
        }
        _ => {
            let other = random.below(length);
            bytes.swap(at, other);
            return (bytes, Damage::InSeveral);
        }
    }
    (bytes, Damage::InOnePlace)
}

fn images(ending: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let paths = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|it| it.extension().is_some_and(|it| it == ending))
        .collect();
    paths.sort();
    paths.iter().map(|it| fs::read(it).unwrap()).collect()
}

fn decoded(bytes: &[u8]) -> Read {
    let image = decode_image(bytes).map_err(|it| it.to_string())?;
    let (width, height) = (image.width() as u64, image.height() as u64);
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    Ok([size.as_slice(), image.pixels()].concat())
}

/// As a data set reads a photograph: the middle of it, decoded in part where that is possible.
fn middle(folder: &Path, bytes: &[u8]) -> Read {
    fs::write(folder.join("val/a/a.jpg"), bytes).unwrap();
    let options = DatasetOptions {
        size: Some(16),
        ..DatasetOptions::default()
    };
    let read = Folder::open(folder)
        .and_then(|it| Dataset::open(&it, &options, None))
        .and_then(|it| it.test.image(0));
    read.map(|it| it.pixels().to_vec())
        .map_err(|it| it.to_string())
}

fn weights(bytes: &[u8]) -> Read {
    let read = || {
        let mut entries = safetensors::from_bytes(bytes)?;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let mut shown = Vec::new();
        for (name, tensor) in entries {
            shown.extend(format!("{name:?} {}", tensor.signature()).into_bytes());
            shown.extend(tensor.to_bytes()?);
        }
        Ok(shown)
    };
    read().map_err(|it: rhobust::Error| it.to_string())
}

/// Weight files as this program writes them.
fn sealed_weights() -> Vec<u8> {
    let tensors = [
        (
            "fc.weight".to_owned(),
            Tensor::from_f32(&[0.5; 12], &[3, 4]).unwrap(),
        ),
        (
            "fc.bias".to_owned(),
            Tensor::from_f64(&[1.0, 2.0, 3.0], &[3]).unwrap(),
        ),
        ("steps".to_owned(), Tensor::from_i64(&[7], &[]).unwrap()),
        (
            "mask".to_owned(),
            Tensor::from_bool(&[true, false], &[2]).unwrap(),
        ),
    ];
    safetensors::to_bytes(&tensors).unwrap()
}

/// And as other programs do, without a hash.
fn plain_weights() -> Vec<u8> {
    let header = br#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]}}     "#;
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_slice(), &[1; 19]].concat()
}

/// One image of CIFAR-10: of several, a file that ends behind the first is whole.
fn cifar() -> Vec<u8> {
    [vec![3], vec![60; 3072]].concat()
}

fn cifar_read(folder: &Path, bytes: &[u8]) -> Read {
    fs::write(folder.join("test_batch.bin"), bytes).unwrap();
    let read = || {
        let data = Dataset::open(&Folder::open(folder)?, &DatasetOptions::default(), None)?;
        let mut shown = Vec::new();
        for index in 0..data.test.len() {
            shown.push(data.test.label(index)? as u8);
            shown.extend(data.test.image(index)?.pixels());
        }
        Ok(shown)
    };
    read().map_err(|it: rhobust::Error| it.to_string())
}

/// An array of NumPy, version 1.0 of its format.
fn npy(shape: &str, entries: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:117}\n");
    let length = (header.len() as u16).to_le_bytes();
    [
        b"\x93NUMPY\x01\x00",
        length.as_slice(),
        header.as_bytes(),
        entries,
    ]
    .concat()
}

fn npy_read(folder: &Path, bytes: &[u8]) -> Read {
    fs::write(folder.join("fog.npy"), bytes).unwrap();
    let read = || {
        let folder = Folder::open(folder)?;
        let data = Dataset::open(&folder, &DatasetOptions::default(), None)?;
        // The last severity needs all of the file.
        let foggy = data.stored_corruption(&data.test, &folder, Corruption::Fog, 5)?;
        let images = (0..foggy.len()).map(|it| foggy.image(it));
        let images: rhobust::Result<Vec<_>> = images.collect();
        Ok(images?.iter().flat_map(|it| it.pixels()).copied().collect())
    };
    read().map_err(|it: rhobust::Error| it.to_string())
}

#[test]
fn no_damaged_file_is_taken_for_a_whole_one() {
    let _alone = alone();
    let wanted = std::env::var("RHOBUST_DAMAGED");
    let n = wanted.map_or(SOME, |it| it.parse().expect("RHOBUST_DAMAGED is a number"));
    let temp = tempfile::tempdir().unwrap();
    let [photographs, records, arrays] =
        ["photographs", "cifar", "npy"].map(|it| temp.path().join(it));
    fs::create_dir_all(photographs.join("val/a")).unwrap();
    for folder in [&records, &arrays] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("test_batch.bin"), cifar()).unwrap();
    }
    let labels = npy("(5,)", &[3; 5]);
    fs::write(arrays.join("labels.npy"), labels).unwrap();
    let picture: &[&str] = &[
        "truncated or damaged",
        "the file is empty",
        "neither a JPEG nor a PNG",
    ];
    let weight: &[&str] = &["this is not a whole safetensors file"];
    let formats = [
        (
            n / 2,
            Format {
                name: "JPEG",
                whole: images("jpg"),
                read: Box::new(decoded),
                cut_short: picture,
                sealed: false,
            },
        ),
        (
            n / 10,
            Format {
                name: "JPEG, in part",
                whole: images("jpg"),
                read: Box::new(|bytes| middle(&photographs, bytes)),
                cut_short: picture,
                sealed: false,
            },
        ),
        (
            n / 2,
            Format {
                name: "PNG",
                whole: images("png"),
                read: Box::new(decoded),
                cut_short: picture,
                sealed: false,
            },
        ),
        (
            n / 2,
            Format {
                name: "weights with a hash",
                whole: vec![sealed_weights()],
                read: Box::new(weights),
                cut_short: weight,
                sealed: true,
            },
        ),
        (
            n / 2,
            Format {
                name: "weights without one",
                whole: vec![plain_weights()],
                read: Box::new(weights),
                cut_short: weight,
                sealed: false,
            },
        ),
        (
            n / 100,
            Format {
                name: "CIFAR-10",
                whole: vec![cifar()],
                read: Box::new(|bytes| cifar_read(&records, bytes)),
                cut_short: &["bytes, which is"],
                sealed: false,
            },
        ),
        (
            n / 100,
            Format {
                name: "NumPy",
                whole: vec![npy("(5, 32, 32, 3)", &[77; 5 * 3072])],
                read: Box::new(|bytes| npy_read(&arrays, bytes)),
                cut_short: &["the file ends too early", "this is no array of NumPy"],
                sealed: false,
            },
        ),
    ];
    println!(
        "{:20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "format", "tries", "as was", "other", "refused", "cut", "seconds"
    );
    let mut wrong = Vec::new();
    let mut sentences = String::new();
    for (times, format) in formats {
        let began = Instant::now();
        let row = format.damage(times);
        println!(
            "{:20} {:8} {:8} {:8} {:8} {:8} {:8.1}",
            format.name,
            row.tries,
            row.same,
            row.other,
            row.refused,
            row.cut,
            began.elapsed().as_secs_f64()
        );
        let mut errors: Vec<_> = row.errors.into_iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (sentence, count) in errors.into_iter().take(12) {
            sentences += &format!("{:20} {count:8} {sentence}\n", format.name);
        }
        wrong.extend(row.wrong);
    }
    println!("{sentences}");
    wrong.truncate(50);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
