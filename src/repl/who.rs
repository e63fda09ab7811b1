//! `:who`: the variables with what they take up, and what else was made known; `:type`.

use super::session::Session;
use crate::nn::Model;
use crate::torch::Tensor;
use rhai::Dynamic;

const HEAD: [&str; 6] = ["name", "type", "shape", "dtype", "device", "bytes"];

/// What is known of a value, on one line.
pub fn line(session: &Session, value: Dynamic) -> String {
    let [_, cells @ .., _] = row(session, String::new(), value);
    let known: Vec<String> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
    format!("{}\n", known.join(", "))
}

/// All variables, functions and modules of the session, or those whose name holds `filter`.
pub fn table(session: &Session, filter: &str) -> String {
    let wanted = |name: &str| name.contains(filter);
    let variables = variables(session, filter);
    let functions: String = session
        .own_functions()
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, params)| format!("fn {name}({})\n", params.join(", ")))
        .collect();
    let modules: String = session
        .modules()
        .filter(|(alias, _)| wanted(alias))
        .map(|(alias, path)| format!("import \"{path}\" as {alias}\n"))
        .collect();
    let parts = [variables, functions, modules];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true if filter.is_empty() => "no variables\n".into(),
        true => format!("nothing here has `{filter}` in its name\n"),
        false => parts.join("\n"),
    }
}

fn variables(session: &Session, filter: &str) -> String {
    let rows: Vec<[String; 6]> = session
        .variables()
        .into_iter()
        .filter(|(name, _)| name.contains(filter))
        .map(|(name, value)| row(session, name, value))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEAD[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(at, (cell, width))| match at {
                5 => format!("{cell:>width$}"),
                _ => format!("{cell:width$}"),
            });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head = HEAD.map(str::to_owned);
    std::iter::once(&head).chain(&rows).map(line).collect()
}

fn row(session: &Session, name: String, value: Dynamic) -> [String; 6] {
    let word = session.type_word(&value);
    let value = value.flatten();
    let bytes = bytes(&value).map_or(String::new(), |bytes| bytes.to_string());
    if let Some(tensor) = value.clone().try_cast::<Tensor>() {
        let dtype = tensor
            .dtype()
            .map_or(String::new(), |dtype| dtype.to_string());
        let shape = format!("{:?}", tensor.shape());
        return [name, word, shape, dtype, tensor.device().to_string(), bytes];
    }
    if let Some(model) = value.clone().try_cast::<Model>() {
        let dtype = model
            .dtype()
            .map_or(String::new(), |dtype| dtype.to_string());
        let outputs = model
            .outputs()
            .map_or(String::new(), |n| format!("{n} outputs"));
        return [
            name,
            word,
            outputs,
            dtype,
            model.device().to_string(),
            bytes,
        ];
    }
    let shape = match (value.as_array_ref(), value.as_map_ref()) {
        (Ok(array), _) => format!("{} elements", array.len()),
        (_, Ok(map)) => format!("{} entries", map.len()),
        _ => String::new(),
    };
    [name, word, shape, String::new(), String::new(), bytes]
}

/// The memory behind tensors and models, those in arrays and maps included.
pub fn bytes(value: &Dynamic) -> Option<usize> {
    if let Some(tensor) = value.clone().try_cast::<Tensor>() {
        return size_of_tensor(&tensor);
    }
    if let Some(model) = value.clone().try_cast::<Model>() {
        let tensors = model.state_dict();
        return Some(
            tensors
                .iter()
                .filter_map(|(_, tensor)| size_of_tensor(tensor))
                .sum(),
        );
    }
    let inner: Vec<usize> = match (value.as_array_ref(), value.as_map_ref()) {
        (Ok(array), _) => array.iter().filter_map(bytes).collect(),
        (_, Ok(map)) => map.values().filter_map(bytes).collect(),
        _ => Vec::new(),
    };
    (!inner.is_empty()).then(|| inner.iter().sum())
}

fn size_of_tensor(tensor: &Tensor) -> Option<usize> {
    Some(tensor.numel() * tensor.dtype().ok()?.size())
}
