//! The closed form of weights and images: integer arithmetic, equal on every machine.

use rhobust::nn::{Entry, Model, Module, entries};
use rhobust::torch::{Dtype, Tensor};

const SEED: u64 = 0;

/// `count` numbers in [0, 1): SplitMix64 from the FNV-1a hash of "seed:name".
pub fn u(name: &str, count: usize) -> Vec<f64> {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    for byte in format!("{SEED}:{name}").bytes() {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let one = |i: usize| {
        let z = h.wrapping_add((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * 2_f64.powi(-53)
    };
    (0..count).map(one).collect()
}

/// `count` integers in 0 .. m.
pub fn pick(name: &str, count: usize, m: i64) -> Tensor {
    let values: Vec<i64> = u(name, count)
        .iter()
        .map(|u| (u * m as f64) as i64)
        .collect();
    Tensor::from_i64(&values, &[count as i64]).expect("as many values as the shape says")
}

/// The state-dict entry `name`, float64.
pub fn weight(name: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let u = u(name, count);
    let values: Vec<f64> = if name.ends_with("num_batches_tracked") {
        vec![0.0; count]
    } else if name.ends_with("running_var") {
        u.iter().map(|u| 1.0 + 0.1 * u).collect()
    } else if shape.len() >= 2 {
        let fan_in: i64 = shape[1..].iter().product();
        let bound = (6.0 / fan_in as f64).sqrt();
        u.iter().map(|u| bound * (2.0 * u - 1.0)).collect()
    } else if name.ends_with(".weight") {
        u.iter()
            .map(|u| 0.8 * (1.0 + 0.1 * (2.0 * u - 1.0)))
            .collect()
    } else {
        u.iter().map(|u| 0.1 * (2.0 * u - 1.0)).collect()
    };
    Tensor::from_f64(&values, shape).expect("as many values as the shape says")
}

/// Makes `model` float64 and fills every entry.
pub fn fill(model: &Model) {
    model
        .to(Some(Dtype::Float64), None)
        .expect("float64 is a model's dtype");
    for (name, entry) in model.entries() {
        let own = entry.tensor();
        own.assign(&weight(&name, &own.shape()))
            .expect("shapes are equal");
    }
}

/// The same for a bare network.
pub fn fill_module(module: &dyn Module) {
    for (name, entry) in entries(module) {
        let own = entry.tensor();
        own.replace(&weight(&name, &own.shape()))
            .expect("shapes are equal");
        if let Entry::Parameter(own) = &entry {
            assert!(own.requires_grad());
        }
    }
}

/// n x 3 x h x w in [0, 1]: a 4 x 4 grid of colours plus noise, stretched and clamped.
pub fn images(name: &str, n: usize, h: usize, w: usize) -> Tensor {
    let coarse = u(&format!("{name}.coarse"), n * 3 * 16);
    let fine = u(&format!("{name}.fine"), n * 3 * h * w);
    let mut values = Vec::with_capacity(fine.len());
    for plane in 0..n * 3 {
        for i in 0..h {
            for j in 0..w {
                let c = coarse[plane * 16 + (4 * i / h) * 4 + 4 * j / w];
                let x = 0.75 * c + 0.25 * fine[(plane * h + i) * w + j];
                values.push((1.25 * x - 0.125).clamp(0.0, 1.0));
            }
        }
    }
    Tensor::from_f64(&values, &[n as i64, 3, h as i64, w as i64]).expect("n * 3 * h * w values")
}

#[test]
fn the_form_is_the_reference_s() {
    // From fill.json of the reference: entries 0 and 1 of two names.
    assert_eq!(
        u("conv1.weight", 2),
        [0.24038641975105324, 0.05171239036731812]
    );
    assert_eq!(u("fc.bias", 2), [0.23278940860180497, 0.7343802351951904]);
}
