for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.onclick = () => {
      const up = head.ariaSort === "descending" || (column === 0 && !head.ariaSort);
      heads.forEach((it) => it.removeAttribute("aria-sort"));
      head.ariaSort = up ? "ascending" : "descending";
      const key = (row) => row.cells[column].textContent.replace("−", "-");
      const by = (a, b) => column === 0 ? key(a).localeCompare(key(b))
        : (parseFloat(key(a)) || 0) - (parseFloat(key(b)) || 0);
      body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * by(a, b)));
    };
  });
}
