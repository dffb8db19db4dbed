/** Loading this module lets backward() reach the weights of convolutions; training does. */
import { convWeightGradient } from '../ops/conv-weight.ts'
import { useWeightGradient } from './conv.ts'

useWeightGradient(convWeightGradient)
