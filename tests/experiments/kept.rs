//! What loops of a script's own keep across a stop.

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Throws where it is called, as long as there is no `go.safetensors`.
const WAIT: &str = r#"
    fn wait() {
        try { load_tensors("go.safetensors"); } catch { throw "waiting"; }
    }
"#;

struct Place(TempDir);

impl Place {
    fn new(script: &str) -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        std::fs::write(place.path("s.rhai"), [WAIT, script].concat()).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rhobust"))
            .arg("run")
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// What is printed by a run that stops, with checkpoints after each step, and then goes on with
    /// `more`.
    #[track_caller]
    fn printed(&self, more: &[&str]) -> String {
        let first = self.run(&["s.rhai", "--out", "run", "--checkpoint-every", "1"]);
        let said = String::from_utf8_lossy(&first.stderr).into_owned();
        assert!(
            !first.status.success() && said.contains("waiting"),
            "{said}"
        );
        let nothing = b"\x02\0\0\0\0\0\0\0{}";
        std::fs::write(self.path("go.safetensors"), nothing).unwrap();
        let last = self.run(&[&["--resume", "run"], more].concat());
        let said = String::from_utf8_lossy(&last.stderr).into_owned();
        assert!(last.status.success(), "{said}");
        String::from_utf8(last.stdout).unwrap()
    }
}

#[test]
fn an_object_that_is_made_after_the_loops_own_is_kept_too() {
    let place = Place::new(
        r#"
        let kept = resumable("loop", #{ x: 0 });
        let memory = resumable("memory", #{ n: 0 });
        for i in kept.steps(5) {
            if i == 3 { wait(); }
            memory.n += 1;
            kept.x += memory.n;
        }
        print(`memory ${memory.n}, sum ${kept.x}`);
        "#,
    );
    let printed = place.printed(&[]);
    assert!(printed.contains("memory 5, sum 15"), "{printed}");
}

/// At the depth that is allowed, and not beyond it.
#[test]
fn what_is_kept_can_be_read_again_however_it_is_nested() {
    let nested = |deep: usize| {
        let script = r#"
        let x = 7;
        for i in 0..DEEP { x = #{ x: [x] }; }
        let kept = resumable("loop", #{ x: x, n: 0 });
        for i in kept.steps(3) {
            if i == 2 { wait(); }
            kept.n += 1;
        }
        let x = kept.x;
        for i in 0..DEEP { x = x.x[0]; }
        print(`x ${x}, n ${kept.n}`);
        "#;
        Place::new(&script.replace("DEEP", &deep.to_string()))
    };
    let printed = nested(16).printed(&[]);
    assert!(printed.contains("x 7, n 3"), "{printed}");
    let refused = nested(17).run(&["s.rhai", "--out", "run"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("more than 32 arrays and maps deep"), "{said}");
}

/// What the outer step did to others before an inner one failed is done once.
#[test]
fn a_step_that_is_done_again_begins_where_it_began() {
    let place = Place::new(
        r#"
        let memory = resumable("memory", #{ n: 0, all: [] });
        let outer = resumable("outer", #{ sum: 0 });
        for i in outer.steps(3) {
            memory.n += 1;
            memory.all.push(i);
            let inner = resumable("inner", #{ y: 0 });
            for j in inner.steps(2) {
                if i == 1 { wait(); }
                inner.y += 1;
            }
            outer.sum += inner.y;
        }
        print(`memory ${memory.n} ${memory.all}, sum ${outer.sum}`);
        "#,
    );
    let printed = place.printed(&[]);
    assert!(printed.contains("memory 3 [0, 1, 2], sum 6"), "{printed}");
}

#[test]
fn other_parameters_put_checkpoints_within_a_step_aside() {
    let place = Place::new(
        r#"
        let p = params(#{ lr: 1 });
        let outer = resumable("outer", #{ sum: 0 });
        for i in outer.steps(2) {
            let inner = resumable("inner", #{ y: 0 });
            for j in inner.steps(3) {
                if j == 2 { wait(); }
                inner.y += p.lr;
            }
            outer.sum += inner.y;
        }
        print(`sum ${outer.sum}`);
        "#,
    );
    let printed = place.printed(&["--set", "lr=5"]);
    assert!(printed.contains("inner: begins anew"), "{printed}");
    assert!(printed.contains("sum 30"), "{printed}");
    let aside = place.path("run/checkpoints.other/outer");
    assert!(aside.is_dir() && Path::new(&aside).read_dir().unwrap().next().is_some());
}
