//! Tensors in scripts: snippets with known answers, refusals, and PyTorch's random numbers.

use rhai::{Engine, EvalAltResult};
use rhobust::script::{Host, Settings, engine, errors};

fn session() -> Engine {
    engine(Host::new(Settings::default()).expect("the current folder can be read"))
}

/// What `print` would show for the value of a script.
fn shown(source: &str) -> String {
    let printed = session().eval(&format!("`${{{source}}}`"));
    printed.unwrap_or_else(|error| format!("the error: {error}"))
}

/// The sentence that a script ends with.
fn refusal(source: &str) -> String {
    let mut error = match session().eval::<rhai::Dynamic>(source) {
        Ok(value) => return format!("the value {value}"),
        Err(error) => error,
    };
    while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = *error {
        error = inner;
    }
    match *error {
        EvalAltResult::ErrorRuntime(text, place) if !place.is_none() => text.to_string(),
        other => format!("without a place, or of another kind: {other:?}"),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)], found: fn(&str) -> String) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(source, expected)| (source, expected, found(source)))
        .filter(|(_, expected, found)| *expected != found)
        .map(|(source, expected, found)| {
            format!("{source}\n  gave     {found}\n  not      {expected}")
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn creation() {
    check(
        &[
            ("const X = zeros([2, 3]); X.shape", "[2, 3]"),
            ("const X = zeros([2, 3]); X[0].sum().item()", "0.0"),
            (
                "tensor([[1, 2], [3, 4]])",
                "tensor(int64, [2, 2], cpu, 1 .. 4)\n[[1, 2],\n [3, 4]]",
            ),
            ("tensor([1, 2.5])", "tensor(float32, [2], [1.0000, 2.5000])"),
            ("tensor([true, false])", "tensor(bool, [2], [true, false])"),
            ("tensor([true, 2])", "tensor(int64, [2], [1, 2])"),
            ("tensor(3)", "tensor(int64, [], 3)"),
            ("tensor([]).dtype", "float32"),
            ("tensor([[], []]).shape", "[2, 0]"),
            (
                "let a = 0.5; let f = || a; f.call(); tensor([a]).item()",
                "0.5",
            ),
            ("tensor([0.1], #{ dtype: \"float64\" }).item()", "0.1"),
            ("tensor([1], #{ dtype: \"bfloat16\" }).dtype", "bfloat16"),
            (
                "tensor([1.0], #{ requires_grad: true }).requires_grad",
                "true",
            ),
            ("tensor([1], #{ device: \"cpu\" }).device", "cpu"),
            ("zeros(3).shape", "[3]"),
            ("ones([2, 0]).numel()", "0"),
            ("full([2], 1)", "tensor(int64, [2], [1, 1])"),
            (
                "eye(2, #{ dtype: \"int64\" }).to_array()",
                "[[1, 0], [0, 1]]",
            ),
            ("arange(1, 10, 4).to_array()", "[1, 5, 9]"),
            ("arange(3, 0, -1).to_array()", "[3, 2, 1]"),
            ("arange(2.0).dtype", "float32"),
            ("linspace(-1, 1, 3).to_array()", "[-1.0, 0.0, 1.0]"),
            ("one_hot(tensor([[1], [0]]), 2).shape", "[2, 1, 2]"),
            (
                "cat([zeros([1, 2]), ones([1, 2])], -1).to_array()",
                "[[0.0, 0.0, 1.0, 1.0]]",
            ),
            ("stack([tensor(1), tensor(2)]).to_array()", "[1, 2]"),
            ("type_of(zeros(1))", "tensor"),
            ("[tensor([1])]", "[tensor(int64, [1], [1])]"),
            (
                "\"x is \" + tensor([1]) + \"!\"",
                "x is tensor(int64, [1], [1])!",
            ),
        ],
        shown,
    );
}

#[test]
fn arithmetic() {
    check(
        &[
            (
                "(tensor([[1], [2]]) + tensor([10, 20])).to_array()",
                "[[11, 21], [12, 22]]",
            ),
            ("(tensor([1, 2]) * 0.5).dtype", "float32"),
            ("(tensor([1, 2]) * 2).dtype", "int64"),
            ("(tensor([1]) + tensor([0.5])).dtype", "float32"),
            ("(zeros(1) + zeros(1).double()).dtype", "float64"),
            ("(tensor([1], #{ dtype: \"uint8\" }) + 1).dtype", "uint8"),
            ("(tensor([7]) / 2).to_array()", "[3.5]"),
            ("(7 / tensor([2])).to_array()", "[3.5]"),
            ("(7 - tensor([2.0])).to_array()", "[5.0]"),
            ("(-7 % tensor([3])).to_array()", "[2]"),
            ("(tensor([-7]) % 3).to_array()", "[2]"),
            ("(2 ** tensor([3])).to_array()", "[8]"),
            ("(tensor([4.0]) ** 0.5).to_array()", "[2.0]"),
            ("(-tensor([1, -2])).to_array()", "[-1, 2]"),
            (
                "(1.0 / tensor([4.0], #{ dtype: \"float64\" })).item()",
                "0.25",
            ),
            (
                "(0.1 + tensor([0.2], #{ dtype: \"float64\" })).item()",
                "0.30000000000000004",
            ),
            (
                "(3.0 / tensor([10.0], #{ dtype: \"float64\" })).item()",
                "0.3",
            ),
            (
                "let x = tensor([1]); x += 1; x *= 3; x -= tensor([2]); x.to_array()",
                "[4]",
            ),
            (
                "let x = tensor([1.0]); let y = x; x += 1; y.to_array()",
                "[1.0]",
            ),
            ("const X = tensor([1]); (X + 1).sum().item()", "2"),
            (
                "(tensor([1, 2, 3]) == 2).to_array()",
                "[false, true, false]",
            ),
            ("(2 == tensor([1, 2])).to_array()", "[false, true]"),
            (
                "(tensor([1, 2]) != tensor([1, 3])).to_array()",
                "[false, true]",
            ),
            ("(1.5 < tensor([1, 2])).to_array()", "[false, true]"),
            ("(1 >= tensor([1, 2])).to_array()", "[true, false]"),
            ("tensor([1]) == ()", "false"),
            ("() != tensor([1])", "true"),
            (
                "(tensor([true, true]) & tensor([true, false])).to_array()",
                "[true, false]",
            ),
            ("(!tensor([true])).to_array()", "[false]"),
            ("tensor([1, 5]).clamp(2, 4).to_array()", "[2, 4]"),
            ("tensor([1, 5]).clamp(2, 4.5).to_array()", "[2.0, 4.5]"),
            (
                "tensor([1.0, 5.0]).clamp((), tensor([0.5, 9.0])).to_array()",
                "[0.5, 5.0]",
            ),
            ("maximum(tensor([1, 5]), 2.5).to_array()", "[2.5, 5.0]"),
            (
                "where(tensor([true, false]), 1, 0.5).to_array()",
                "[1.0, 0.5]",
            ),
            (
                "where(tensor([true, false]), tensor([1, 2]), 0).to_array()",
                "[1, 0]",
            ),
            (
                "where(tensor([true, false]), 0, tensor([1.0, 2.0]).double()).dtype",
                "float64",
            ),
            (
                "tensor([[1, 2]]).matmul(tensor([[3], [4]])).to_array()",
                "[[11]]",
            ),
            ("ones([2, 3, 4]).matmul(ones([4])).shape", "[2, 3]"),
            ("tensor([1.0]).equal(tensor([1.0, 1.0]))", "false"),
        ],
        shown,
    );
}

#[test]
fn reductions_and_orders() {
    check(
        &[
            ("arange(6).reshape([2, 3]).sum(1).to_array()", "[3, 12]"),
            ("arange(6).reshape([2, 3]).sum(-1, true).shape", "[2, 1]"),
            ("ones([2, 3, 4]).mean([1, 2]).to_array()", "[1.0, 1.0]"),
            ("tensor([true, true]).sum().item()", "2"),
            (
                "tensor([1.0, 2.0, 4.0]).variance().item()",
                "2.3333332538604736",
            ),
            (
                "tensor([1.0, 3.0]).variance(#{ correction: 0 }).item()",
                "1.0",
            ),
            (
                "tensor([[1.0, 3.0]]).std(1, #{ correction: 0, keepdim: true }).to_array()",
                "[[1.0]]",
            ),
            ("tensor([3.0, 4.0]).norm(2).item()", "5.0"),
            (
                "tensor([[3.0, -4.0]]).norm(\"inf\", 1, true).to_array()",
                "[[4.0]]",
            ),
            ("ones([2, 3]).norm(1, [0, 1]).item()", "6.0"),
            (
                "tensor([[1, 9], [8, 2]]).max(0).values.to_array()",
                "[8, 9]",
            ),
            (
                "tensor([[1, 9], [8, 2]]).min(1, true).indices.to_array()",
                "[[0], [1]]",
            ),
            ("tensor([[1, 9], [8, 2]]).argmax().item()", "1"),
            (
                "tensor([[1, 9], [8, 2]]).argmin(0, true).to_array()",
                "[[0, 1]]",
            ),
            (
                "tensor([2, 2, 1]).sort(-1, true).indices.to_array()",
                "[0, 1, 2]",
            ),
            (
                "tensor([[5, 7, 6]]).topk(2, 1).indices.to_array()",
                "[[1, 2]]",
            ),
            (
                "tensor([0.0, 0.0]).logsumexp().item()",
                "0.6931471824645996",
            ),
            (
                "tensor([[0, 1], [0, 0]]).count_nonzero(1).to_array()",
                "[1, 0]",
            ),
            ("tensor([1, 2]).any().item()", "true"),
            ("tensor([[1, 2], [3, 4]]).prod(0).to_array()", "[3, 8]"),
            ("tensor([1, 2, 3]).cumsum(-1).to_array()", "[1, 3, 6]"),
            (
                "tensor([[0.0, 1000.0]]).softmax(1).to_array()",
                "[[0.0, 1.0]]",
            ),
        ],
        shown,
    );
}

#[test]
fn shapes_and_parts() {
    check(
        &[
            ("arange(24).reshape([2, 3, 4])[1].shape", "[3, 4]"),
            ("arange(5)[-1].item()", "4"),
            ("arange(5)[1..3].to_array()", "[1, 2]"),
            ("arange(5)[1..=3].to_array()", "[1, 2, 3]"),
            ("arange(5)[-3..-1].to_array()", "[2, 3]"),
            ("arange(5)[-3..=-1].to_array()", "[2, 3, 4]"),
            ("arange(5)[3..99].to_array()", "[3, 4]"),
            ("arange(5)[\"-2:\"].to_array()", "[3, 4]"),
            ("arange(5)[\" : 2\"].to_array()", "[0, 1]"),
            (
                "arange(6).reshape([2, 3])[[\":\", -1]].to_array()",
                "[2, 5]",
            ),
            ("arange(6).reshape([2, 3])[[1, 0..2]].to_array()", "[3, 4]"),
            (
                "arange(6).reshape([2, 3])[[[1, 0], \":\"]].to_array()",
                "[[3, 4, 5], [0, 1, 2]]",
            ),
            (
                "arange(6).reshape([2, 3])[[[0, 1], [2, 0]]].to_array()",
                "[2, 3]",
            ),
            (
                "arange(24).reshape([2, 3, 4])[[\"...\", 0]].to_array()",
                "[[0, 4, 8], [12, 16, 20]]",
            ),
            (
                "arange(24).reshape([2, 3, 4])[[0, tensor([0, 2]), 1..3]].to_array()",
                "[[1, 2], [9, 10]]",
            ),
            (
                "let x = arange(6).reshape([2, 3]); x[x % 2 == 1].to_array()",
                "[1, 3, 5]",
            ),
            (
                "arange(6).reshape([2, 3])[tensor([true, false])].to_array()",
                "[[0, 1, 2]]",
            ),
            (
                "let m = eye(2).bool(); arange(8).reshape([2, 2, 2])[[m, 0..1]].to_array()",
                "[[0], [6]]",
            ),
            ("arange(3)[tensor(1)].item()", "1"),
            ("arange(3)[tensor([[0], [-1]])].to_array()", "[[0], [2]]"),
            (
                "let x = zeros(3); let y = x; x[0] = 1; [x.to_array(), y.to_array()]",
                "[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]",
            ),
            (
                "let x = zeros([2, 2]); x[0][1] = 5; x.to_array()",
                "[[0.0, 5.0], [0.0, 0.0]]",
            ),
            (
                "let x = arange(4); x[x > 1] = 0; x.to_array()",
                "[0, 1, 0, 0]",
            ),
            (
                "let x = arange(4); x[1..3] = tensor([7, 8]); x.to_array()",
                "[0, 7, 8, 3]",
            ),
            (
                "let x = zeros([2, 2]); x[[\":\", 0]] += 3; x.to_array()",
                "[[3.0, 0.0], [3.0, 0.0]]",
            ),
            (
                "let x = tensor([true, true]); x[0] = false; x.to_array()",
                "[false, true]",
            ),
            (
                "let m = #{ x: zeros(2) }; m.x[1] = 2; m.x.to_array()",
                "[0.0, 2.0]",
            ),
            (
                "let x = tensor([0.0], #{ dtype: \"float64\" }); x[0] = 0.1; x.item()",
                "0.1",
            ),
            (
                "let x = ones(2).requires_grad_(); let y = x * 2; y[0] = 0; grad(y.sum(), x).to_array()",
                "[0.0, 2.0]",
            ),
            (
                "let s = 0; for row in arange(6).reshape([3, 2]) { s += row[1].item(); } s",
                "9",
            ),
            ("len(zeros([4, 2]))", "4"),
            (
                "zeros([2, 3]).ndim + zeros([2, 3]).dim() + zeros([2, 3]).size(-1)",
                "7",
            ),
            ("zeros([2, 3]).t().shape", "[3, 2]"),
            ("zeros([2, 3, 4]).flatten(0, 1).shape", "[6, 4]"),
            ("arange(5).split(2).map(|part| part.len())", "[2, 2, 1]"),
            (
                "arange(3).expand([2, 3]).to_array()",
                "[[0, 1, 2], [0, 1, 2]]",
            ),
            (
                "tensor([[1, 2], [3, 4]]).gather(1, tensor([[1], [0]])).to_array()",
                "[[2], [3]]",
            ),
            (
                "zeros(3).scatter(0, [1], 5.0).to_array()",
                "[0.0, 5.0, 0.0]",
            ),
            (
                "tensor([1, 2]).masked_fill(tensor([true, false]), 9).to_array()",
                "[9, 2]",
            ),
            ("tensor(2).to_array()", "2"),
            ("zeros([0, 2]).to_array()", "[]"),
        ],
        shown,
    );
}

#[test]
fn dtypes_and_numbers() {
    check(
        &[
            ("type_of(tensor([1]).item())", "i64"),
            ("type_of(tensor([1.0]).item())", "f64"),
            ("type_of((tensor([1]) > 0).item())", "bool"),
            ("tensor([[1.5]]).item()", "1.5"),
            ("tensor([9007199254740993]).item()", "9007199254740993"),
            ("tensor([1.7, -1.7]).long().to_array()", "[1, -1]"),
            ("tensor([1]).to(zeros(1).double()).dtype", "float64"),
            ("tensor([1]).to(\"float16\").dtype", "float16"),
            ("tensor([1]).to(\"auto\").dtype", "int64"),
        ],
        shown,
    );
}

#[test]
fn gradients() {
    check(
        &[
            // d/dx sum(x^3) = 3x^2, and 6x again.
            (
                "let x = tensor([1.0, 2.0]).requires_grad_(); grad((x ** 3).sum(), x).to_array()",
                "[3.0, 12.0]",
            ),
            (
                "let x = tensor([1.0, 2.0]).requires_grad_(); \
                 let g = grad((x ** 3).sum(), x, #{ create_graph: true }); grad(g.sum(), x).to_array()",
                "[6.0, 12.0]",
            ),
            // d/dz cross entropy = (softmax - onehot) / n.
            (
                "let z = zeros([2, 2]).requires_grad_(); \
                 grad(cross_entropy(z, tensor([0, 1])), z).to_array()",
                "[[-0.25, 0.25], [0.25, -0.25]]",
            ),
            (
                "let a = tensor([2.0]).requires_grad_(); let b = tensor([3.0]).requires_grad_(); \
                 let g = grad((a * b).sum(), [a, b]); [g[0].item(), g[1].item()]",
                "[3.0, 2.0]",
            ),
            (
                "let a = tensor([2.0]).requires_grad_(); let b = tensor([3.0]).requires_grad_(); \
                 grad(a.sum(), b).item()",
                "0.0",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); (x * 2).backward(); (x * 3).backward(); x.grad.item()",
                "5.0",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); grad((x * 2).sum(), x); type_of(x.grad)",
                "()",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); no_grad(|| x * 2).requires_grad",
                "false",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); try { no_grad(|| throw \"out\"); } catch {} \
                 (x * 2).requires_grad",
                "true",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); let y = no_grad(|| { if true { return x * 3; } x }); \
                 [y.item(), (x * 2).requires_grad]",
                "[3.0, true]",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); (x * 2).detach().requires_grad",
                "false",
            ),
            (
                "let x = tensor([1.0]).requires_grad_(); grad((x.clone() * 2).sum(), x).item()",
                "2.0",
            ),
            (
                "let x = ones(2).requires_grad_(); x.requires_grad_(false).requires_grad",
                "false",
            ),
            // A linear map's gradient is its transpose.
            (
                "let x = ones([1, 2]).requires_grad_(); let w = tensor([[1.0, 2.0], [3.0, 4.0]]); \
                 grad(linear(x, w, tensor([5.0, 6.0])).sum(), x).to_array()",
                "[[4.0, 6.0]]",
            ),
        ],
        shown,
    );
}

#[test]
fn layers() {
    check(
        &[
            (
                "conv2d(ones([1, 2, 4, 4]), ones([2, 1, 3, 3]), (), #{ groups: 2 }).max().item()",
                "9.0",
            ),
            (
                "conv2d(ones([1, 1, 5, 5]), ones([1, 1, 3, 3]), tensor([1.0]), #{ dilation: 2 }).to_array()",
                "[[[[10.0]]]]",
            ),
            (
                "batch_norm(tensor([[1.0], [3.0]]), #{ training: true, eps: 0.0, weight: tensor([2.0]), bias: tensor([1.0]) }).to_array()",
                "[[-1.0], [3.0]]",
            ),
            (
                // 0.9 * 0 + 0.1 * 2, and 0.9 * 1 + 0.1 * 2, the unbiased variance.
                "let mean = zeros(1); let variance = ones(1); \
                 batch_norm(tensor([[1.0], [3.0]]), #{ training: true, running_mean: mean, running_var: variance }); \
                 [allclose(mean, tensor([0.2])), allclose(variance, tensor([1.1]))]",
                "[true, true]",
            ),
            (
                "avg_pool2d(ones([1, 1, 4, 4]), 2, #{ stride: 1 }).shape",
                "[1, 1, 3, 3]",
            ),
            (
                "adaptive_avg_pool2d(arange(4.0).reshape([1, 1, 2, 2]), 1).item()",
                "1.5",
            ),
            (
                "cross_entropy(zeros([2, 4]), full([2, 4], 0.25), #{ reduction: \"sum\" }).item()",
                "2.7725887298583984",
            ),
            (
                "cross_entropy(zeros([2, 4]).double(), tensor([0, 1])).dtype",
                "float64",
            ),
            (
                "nll_loss(tensor([[-1.0, -2.0], [-3.0, -4.0]]), tensor([1, 0]), #{ reduction: \"none\" }).to_array()",
                "[2.0, 3.0]",
            ),
            (
                "ones([3, 2, 2]).normalize(tensor([1, 0, 0]), [1, 2, 4])[[\":\", 0, 0]].to_array()",
                "[0.0, 0.5, 0.25]",
            ),
            ("pad(ones([1, 1, 1, 1]), 1).sum().item()", "1.0"),
        ],
        shown,
    );
}

#[test]
fn refusals() {
    check(
        &[
            (
                "tensor([[1, 2], [3]])",
                "`tensor`: the rows must be of one shape, but `data[1]` is [1] and the entry before it [2]",
            ),
            (
                "tensor([[1, 2], 3])",
                "`tensor`: the rows must be of one shape, but `data[1]` is a number and the entry before it [2]",
            ),
            (
                "tensor([1, \"a\"])",
                "`data[1]` must be a number, a boolean or an array of them, got the string \"a\"",
            ),
            (
                "tensor([zeros(1)])",
                "`data[0]` must be a number, a boolean or an array of them, got a tensor; `stack` and `cat` join tensors",
            ),
            (
                "zeros([2, -1])",
                "`zeros`: a shape has no negative sizes, got [2, -1]",
            ),
            (
                "zeros([2, 0.5])",
                "`shape[1]` must be an integer, got the float 0.5",
            ),
            (
                "zeros([99999999, 99999999])",
                "`zeros`: a tensor of shape [99999999, 99999999] does not fit in memory",
            ),
            (
                "zeros(2, #{ dtype: \"float31\" })",
                "option `dtype` of zeros: there is no dtype \"float31\"; the dtypes are float32, float64, bfloat16, float16, int64, int32, int16, int8, uint8, bool",
            ),
            (
                "zeros(2, #{ dytpe: \"float32\" })",
                "zeros has no option `dytpe`; did you mean `dtype`? (options: dtype, device, requires_grad)",
            ),
            (
                "zeros(2, #{ device: \"tpu\" })",
                "option `device` of zeros: there is no device \"tpu\"; a device is cpu, cuda, cuda:1 (and so on) or auto",
            ),
            (
                "rand(2, #{ dtype: \"int64\" })",
                "`rand`: `dtype` must be a floating-point type",
            ),
            (
                "randint(3, 3, [1])",
                "`randint`: `low` must be below `high`, got 3 and 3",
            ),
            ("cat([])", "`cat` needs at least one tensor"),
            (
                "stack([zeros(1), 2])",
                "`tensors[1]` must be a tensor, got the integer 2",
            ),
            (
                "one_hot(tensor([3]), 3)",
                "`one_hot`: indices must lie in 0 .. 3 (exclusive), got 3",
            ),
            (
                "zeros(3) + zeros(4)",
                "`add`: the size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0 (float32[3] and float32[4])",
            ),
            (
                "zeros(3) + [1]",
                "`+` takes tensors and numbers, got a tensor and an array",
            ),
            (
                "zeros(3) == \"a\"",
                "`==` takes tensors and numbers, got a tensor and a string",
            ),
            (
                "[1] != zeros(1)",
                "`!=` takes tensors and numbers, got an array and a tensor",
            ),
            (
                "true < zeros(1)",
                "`<` takes tensors and numbers, got a bool and a tensor",
            ),
            (
                "let x = zeros(1); x += #{}",
                "`+` takes tensors and numbers, got a tensor and a map",
            ),
            ("!zeros(1)", "`!` takes bool tensors, got float32[1]"),
            (
                "zeros(1).clamp(\"a\", 1)",
                "`low` must be a tensor or a number, got the string \"a\"",
            ),
            (
                "ones([2, 3]).matmul(ones([2, 3]))",
                "`matmul`: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3) (float32[2, 3] and float32[2, 3])",
            ),
            (
                "zeros(3)[3]",
                "index 3 is out of range for dimension 0 of size 3 (shape [3])",
            ),
            (
                "zeros(3)[[0, 0]]",
                "2 indices for a tensor of shape [3], which has 1 dimensions",
            ),
            (
                "zeros(3)[0.5]",
                "`index` must be an integer, a range, a slice like \"1:\", a tensor or an array of these, got the float 0.5",
            ),
            (
                "zeros(3)[\"a:b\"]",
                "`index` must be an integer, a range, a slice like \"1:\", a tensor or an array of these, got the string \"a:b\"",
            ),
            (
                "zeros([2, 2])[[0, #{}]]",
                "`index[1]` must be an integer, a range, a slice like \"1:\", a tensor or an array of these, got a map",
            ),
            (
                "zeros(3)[tensor([5])]",
                "`index`: index 5 is out of bounds for dimension 0 with size 3 (float32[3] and int64[1])",
            ),
            (
                "zeros(3)[tensor([true])]",
                "a mask must be shaped like the dimensions it picks from, [3], got bool[1]",
            ),
            (
                "zeros(3)[tensor([0.5])]",
                "a tensor index must be int64 or bool, got float32[1]",
            ),
            (
                "let x = arange(3); x[0] = 0.5",
                "a tensor of int64 cannot hold float32 values; make it a floating-point tensor first",
            ),
            (
                "let x = zeros(3); x[0] = \"a\"",
                "`value` must be a tensor or a number, got the string \"a\"",
            ),
            (
                "for x in tensor(1) { x; }",
                "a tensor without dimensions has no rows to loop over",
            ),
            (
                "zeros([2]).reshape([3])",
                "`reshape`: shape '[3]' is invalid for input of size 2 (float32[2])",
            ),
            (
                "zeros([2, 3, 4]).t()",
                "`t` takes a matrix, got float32[2, 3, 4]; see `transpose`",
            ),
            (
                "zeros(3).sum(2)",
                "`sum`: dimension out of range (expected to be in range of [-1, 0], but got 2) (float32[3])",
            ),
            (
                "zeros([2, 2]).prod([0, 1])",
                "`dim` must be one dimension here, got [0, 1]",
            ),
            (
                "zeros(2).norm(\"max\")",
                "`p` must be a number or \"inf\", got the string \"max\"",
            ),
            (
                "zeros(2).std(#{ corection: 0 })",
                "std has no option `corection`; did you mean `correction`? (options: correction, keepdim)",
            ),
            (
                "arange(3).mean()",
                "`mean` takes a floating-point tensor, got int64[3]; `float()` makes it one",
            ),
            (
                "zeros(2).item()",
                "`item` needs a tensor of one entry, got float32[2]",
            ),
            (
                "zeros(2).to(\"float31\")",
                "`to` takes a dtype like \"float64\" or a device like \"cuda\", got \"float31\"",
            ),
            (
                "arange(3).requires_grad_()",
                "only floating-point tensors can require a gradient, got int64[3]",
            ),
            (
                "zeros(2).requires_grad_().backward()",
                "`loss` must be one number to be differentiated, got float32[2]; take its `mean()` or `sum()`",
            ),
            (
                "zeros(2).sum().backward()",
                "`loss` depends on nothing that requires a gradient: it was computed under `no_grad`, was detached, or no input had `requires_grad_()`",
            ),
            (
                "let x = zeros(2); let w = zeros(1).requires_grad_(); grad(w.sum(), x)",
                "there is no gradient for a tensor that does not require one (float32[2]); call `requires_grad_()` on it before it is used",
            ),
            (
                "let w = zeros(1).requires_grad_(); grad(w.sum(), 3)",
                "`x` must be a tensor, got the integer 3",
            ),
            (
                "cross_entropy(zeros([2, 3]), tensor([0, 3]))",
                "`cross_entropy`: indices must lie in 0 .. 3 (exclusive), got 3",
            ),
            (
                "cross_entropy(zeros([2, 3]), tensor([0]))",
                "`cross_entropy`: targets must be int64[2] for logits [2, 3], got int64[1]",
            ),
            (
                "cross_entropy(zeros([2, 3]), tensor([0, 1]), #{ reduction: \"max\" })",
                "option `reduction` of cross_entropy must be \"mean\" or \"sum\" or \"none\", got the string \"max\"",
            ),
            (
                "conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2]), 5)",
                "`bias` must be a tensor, got the integer 5",
            ),
            (
                "conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2]), #{ stride: 0 })",
                "`conv2d`: stride, dilation and groups must be positive and padding at least 0, got 0, 1, 1 and 0",
            ),
            (
                "conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2]), #{ strides: 2 })",
                "conv2d has no option `strides`; did you mean `stride`? (options: stride, padding, dilation, groups)",
            ),
            (
                "batch_norm(zeros([2, 1]), #{})",
                "`batch_norm` needs `running_mean` and `running_var` unless it is `training`",
            ),
            (
                "batch_norm(zeros([2, 1]), #{ running_maen: zeros(1) })",
                "batch_norm has no option `running_maen`; did you mean `running_mean`? (options: running_mean, running_var, weight, bias, training, momentum, eps)",
            ),
            (
                "ones([2, 3, 4, 4]).normalize([0.5], [0.5])",
                "`mean` must hold 3 numbers for images [2, 3, 4, 4], got [1]",
            ),
            (
                "ones([2, 3]).std(2)",
                "`std`: dimension out of range (expected to be in range of [-2, 1], but got 2) (float32[2, 3])",
            ),
            (
                "ones([2, 3]).variance(2)",
                "`variance`: dimension out of range (expected to be in range of [-2, 1], but got 2) (float32[2, 3])",
            ),
            (
                "dropout(zeros(1), 1.5)",
                "`dropout`: `p` must lie in [0, 1], got 1.5",
            ),
            (
                "max_pool2d(zeros([1, 1, 2, 2]), 0)",
                "`max_pool2d`: kernel and stride must be positive and padding at least 0, got 0, 0 and 0",
            ),
        ],
        refusal,
    );
}

#[test]
fn mistakes_that_rhai_finds() {
    for (source, expected) in [
        ("zeros(1).foo", "a tensor has no property `foo`"),
        (
            "zeros(1).numel",
            "a tensor has no property `numel`; it is a function, write `numel()`",
        ),
        (
            "let x = zeros(1); x.shape = [1]",
            "`shape` of a tensor cannot be assigned",
        ),
        (
            "const X = zeros(1); X[0] = 1",
            "this changes a part of a constant",
        ),
        (
            "let x = zeros(1); if x == x {}",
            "this must be a bool, got a tensor; `x.equal(y)` compares two tensors as a whole",
        ),
    ] {
        let engine = session();
        let error = engine.run(source).expect_err(source);
        let report = errors::report(&engine, &error);
        assert!(
            report.starts_with(&format!("error: {expected}")),
            "{source}\n{report}"
        );
    }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings {
        out: Some(folder.path().join("run")),
        ..Settings::default()
    };
    let host = Host::new(settings).expect("the current folder can be read");
    host.create_run_folder().expect("the folder is new");
    let engine = engine(host);
    let kept: bool = engine
        .eval(
            r#"
            let tensors = #{ a: tensor([[1, 2]]), b: tensor([0.1], #{ dtype: "bfloat16" }), c: tensor(true) };
            save_tensors("all.safetensors", tensors);
            let stored = load_tensors("all.safetensors");
            stored.len() == 3 && stored.a.equal(tensors.a) && stored.b.equal(tensors.b) && stored.c.item()
            "#,
        )
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(kept);
    let same: bool = engine
        .eval(
            r#"
            let levels = arange(24).reshape([1, 4, 6]) / 255;
            write_image("grey.png", levels.unsqueeze(0));
            let image = read_image("grey.png");
            image.dtype == "float32" && image.equal(levels.expand([3, 4, 6]))
            "#,
        )
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(same);
    for (source, expected) in [
        (
            r#"save_tensors("x", #{ a: 1 })"#,
            "`tensors.a` must be a tensor, got the integer 1",
        ),
        (
            r#"save_tensors("../x", #{})"#,
            "may write only into its run folder",
        ),
        (
            r#"load_tensors("none.safetensors")"#,
            "there is no such file or folder",
        ),
        (
            r#"write_image("x.png", zeros([2, 4, 4]))"#,
            "`image` must be [3, h, w] or [1, h, w], got [2, 4, 4]",
        ),
        (
            r#"write_image("x.png", full([3, 4, 4], 255.0))"#,
            "`image` must lie in [0, 1], got values from 255 to 255",
        ),
        (
            r#"write_image("x.png", tensor([0.0, -1.0, 1.0]).sqrt().reshape([3, 1, 1]))"#,
            "`image` must lie in [0, 1], got values from NaN to NaN",
        ),
        (r#"read_image("Cargo.toml")"#, "Cargo.toml"),
        (
            r#"load_tensors("Cargo.toml")"#,
            "this is not a whole safetensors file",
        ),
    ] {
        let error = engine.run(source).expect_err(source).to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

/// A seed gives PyTorch's numbers: `fresh` with the seed set before the call, `chain` with one
/// seed before all of them.
#[test]
fn random_numbers_are_pytorchs() {
    let oracle: serde_json::Value =
        serde_json::from_str(include_str!("oracle/rng.json")).expect("the oracle files are JSON");
    // Without these instructions libtorch rounds a few numbers differently.
    let tolerance = if is_x86_feature_detected!("avx2") {
        0.0
    } else {
        1e-6
    };
    let engine = session();
    let draw = |before: &str, call: &str| -> Vec<f64> {
        let source = format!("{before}; {call}.double().flatten().to_array()");
        let values: rhai::Array = engine
            .eval(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        values
            .into_iter()
            .map(|value| value.as_float().expect("float64"))
            .collect()
    };
    let check = |call: &str, drawn: &[f64], stored: &serde_json::Value| {
        let stored = stored.as_str().expect("numbers as text");
        for (at, (drawn, stored)) in drawn.iter().zip(stored.split(' ')).enumerate() {
            let stored: f64 = stored.parse().expect("a number");
            let difference = (drawn - stored).abs();
            assert!(
                difference <= tolerance * stored.abs(),
                "{call}, entry {at}: {drawn} != {stored}"
            );
        }
    };
    let calls = oracle["calls"].as_array().expect("calls");
    for call in calls {
        let script = call["script"].as_str().expect("a script");
        let seed = format!("seed({})", oracle["fresh_seed"]);
        check(script, &draw(&seed, script), &call["fresh"]);
    }
    draw(&format!("seed({})", oracle["chain_seed"]), "zeros(0)");
    for call in calls {
        let script = call["script"].as_str().expect("a script");
        check(script, &draw("", script), &call["chain"]);
    }
}
