fetch("/api/v1/live").then((answer) => answer.json()).then((document_) => { document.getElementById("page").textContent = JSON.stringify(document_, null, 2); });
