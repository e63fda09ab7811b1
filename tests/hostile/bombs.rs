//! Scripts that want more time or memory than they are given.

use super::Attempt;
use super::random::Random;
use super::world::THROUGH;

pub fn strings(random: &mut Random) -> Attempt {
    let n = 1 + random.below(9);
    let script = match random.below(11) {
        0 => format!("let s = \"{}\"; loop {{ s += s; }}", "x".repeat(n)),
        1 => format!("let s = \"x\"; s.pad({}00000000, \"ab\");", n),
        2 => format!("let a = [{n}]; loop {{ a += a; }}"),
        3 => format!("let a = []; a.pad({n}000000000, 1);"),
        4 => format!("let a = []; loop {{ a.push(\"0123456789abcdef\" + {n}); }}"),
        5 => format!("let m = #{{}}; let i = {n}; loop {{ m[`key ${{i}}`] = i; i += 1; }}"),
        6 => "let s = \"0123456789\"; for i in 0..20 { s += s; } let a = []; loop { a.push(s); }"
            .into(),
        7 => "let a = [1]; loop { a = [a, a, a, a]; }".into(),
        8 => "let s = \"\"; let i = 0; loop { s = `${s}${s}${i}`; i += 1; }".into(),
        9 => format!("let a = []; a.pad({n}000000000000000000, [1, 2, 3]);"),
        _ => format!("let b = blob({n}000000000); let c = b + b; {THROUGH}"),
    };
    Attempt::new("huge strings, arrays and maps", script)
}

pub fn recursion(random: &mut Random) -> Attempt {
    let n = 200 + random.below(20_000);
    let script = match random.below(10) {
        0 => "fn f(n) { f(n + 1) } f(0);".into(),
        1 => "fn f(n) { g(n) + 1 } fn g(n) { f(n) + 1 } f(0);".into(),
        2 => "fn f(g, n) { g.call(g, n + 1) } let g = |g, n| f(g, n); f(g, 0);".into(),
        3 => format!("let x = {}1{};", "(".repeat(n), ")".repeat(n)),
        4 => format!("let x = {}1{};", "[".repeat(n), "]".repeat(n)),
        5 => format!("let x = {}1;", "- ".repeat(n)),
        6 => format!("{}{}", "if true { ".repeat(n), "}".repeat(n)),
        7 => "fn f(n) { [n].map(|i| f(i + 1)) } f(0);".into(),
        8 => "let f = |x| x; loop { let g = f; f = |x| g.call(x); }".into(),
        _ => format!("let x = {}0{};", "#{ a: ".repeat(n), " }".repeat(n)),
    };
    Attempt::new("deep recursion and nesting", script)
}

pub fn loops(random: &mut Random) -> Attempt {
    let script = match random.below(14) {
        0 => "loop { }",
        1 => "while true { let x = 1; }",
        2 => "for i in 0..9223372036854775807 { }",
        3 => "do { } while true;",
        4 => "loop { try { throw 1; } catch { } }",
        5 => "let f = || { loop { } }; f.call();",
        6 => "fn f() { try { loop { } } catch { f() } } f();",
        7 => "let x = rand([64, 64]); loop { x = x.matmul(x); }",
        8 => "let x = rand([2000, 2000]); loop { let y = x.matmul(x); }",
        9 => {
            "let m = resnet18(#{ outputs: 2 }); let x = rand([8, 3, 64, 64]); loop { m.forward(x); }"
        }
        12 => "sleep(1000000);",
        // What takes a minute cannot be stopped: the program ends in the middle of it.
        13 => {
            "let m = sequential([Conv2d(64, 64, 31)]);\nlet x = zeros([8, 64, 256, 256]);\n\
             m.forward(x);\nloop { }"
        }
        10 => "loop { try { zeros([-1]); } catch { } }",
        _ => {
            "let d = dataset(\"shapes\"); loop { for b in d.train.batches(#{ batch_size: 64 }) { } }"
        }
    };
    let attempt = Attempt::new("endless loops", script);
    match random.below(3) {
        0 => attempt.with(&["--max-time", "300ms", "--max-operations", "1000000000000"]),
        1 => attempt.with(&["--max-time", "2s", "--max-operations", "10000"]),
        _ => attempt.with(&["--max-time", "1s", "--max-operations", "1000000000000"]),
    }
}

pub fn tensors(random: &mut Random) -> Attempt {
    let n = 1 + random.below(8);
    let script = match random.below(16) {
        0 => format!("let x = zeros([{n}00000, 100000]);"),
        1 => format!("let x = randn([{n}0000, 10000, 10]);"),
        2 => "let all = []; loop { all.push(ones([1000, 1000])); }".into(),
        3 => "let all = []; loop { all.push(rand([100])); all += all; }".into(),
        4 => "let x = ones([1000]); loop { x = cat([x, x], 0); }".into(),
        5 => "let x = ones([1000]); loop { x = stack([x, x], 0); }".into(),
        6 => format!("let x = ones([1000, 1000]).repeat([{n}00, 100]);"),
        7 => format!("let x = ones([1, 1]).expand([{n}00000, 100000]); let y = x + 1;"),
        8 => format!("let x = ones([{n}00000, 1]); let y = x.matmul(x.transpose(0, 1));"),
        9 => format!("let x = ones([{n}00000, 1]); let y = x * x.transpose(0, 1);"),
        10 => format!("let x = eye({n}00000);"),
        11 => format!("let x = arange(0, {n}0000000000);"),
        12 => format!("let x = tensor([0, 1]).to(\"int64\").one_hot({n}000000000);"),
        13 => {
            "let x = rand([20000, 1]); let y = x.matmul(x.transpose(0, 1)).softmax(1) + 1.0;".into()
        }
        14 => format!("let m = sequential([Linear({n}00000, 100000)]);"),
        _ => "let m = resnet50(#{ outputs: 10 }); m.forward(rand([2000, 3, 224, 224]));".into(),
    };
    let attempt = Attempt::new(
        "memory bombs through tensors",
        format!("{script}\n{THROUGH}"),
    );
    match random.below(3) {
        0 => attempt.with(&["--max-memory", "1G"]),
        _ => attempt,
    }
}
