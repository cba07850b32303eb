/** Returns the messages of uncaught exceptions during `work` and the event-loop turns of its events. */
export async function uncaughtDuring(work: () => Promise<unknown>): Promise<string[]> {
  const messages: string[] = []
  const note = (error: unknown) => void messages.push(error instanceof Error ? error.message : String(error))
  process.on('uncaughtException', note)
  try {
    await work()
    for (let i = 0; i < 4; i++) await new Promise(setImmediate)
  } finally {
    process.off('uncaughtException', note)
  }
  return messages
}
