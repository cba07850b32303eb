import { ability } from './capabilities.js'
import { Network } from './network.js'

// Creates a network and waits to be killed.

const network = await Network.make(ability().damageMethod)
process.send?.(network.plan)
setInterval(() => {}, 60_000)
