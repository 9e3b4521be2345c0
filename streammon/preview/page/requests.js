// POST requests. The header X-Streammon proves that the server's own page sent the request (against CSRF).

export async function post(address, body = null) {
  let answer;
  try {
    answer = await fetch(address, {
      method: 'POST',
      headers: { 'X-Streammon': '1', ...(body ? { 'Content-Type': 'application/json' } : {}) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Error('streammon does not answer');
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw Object.assign(new Error(content.error ?? `request failed (${answer.status})`), { status: answer.status });
  }
  return content;
}
