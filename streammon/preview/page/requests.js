// Requests that change something. The header tells the server that its own page asks, not another site's.

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
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw Object.assign(new Error(told.error ?? `it failed (${answer.status})`), { status: answer.status });
  }
  return told;
}
