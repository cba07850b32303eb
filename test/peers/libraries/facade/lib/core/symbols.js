module.exports = require('undici-original/lib/core/symbols.js')
