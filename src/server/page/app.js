const form = document.getElementById("form");
const answer = document.getElementById("answer");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new FormData();
  body.append("file", document.getElementById("file").files[0]);
  answer.textContent = "…";
  try {
    const response = await fetch("/v1/predict", { method: "POST", body });
    answer.textContent = JSON.stringify(await response.json(), null, 2);
  } catch (error) {
    answer.textContent = String(error);
  }
});
